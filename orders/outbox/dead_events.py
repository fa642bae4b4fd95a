"""Dead events in the database: lists them, and retries or discards them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from orders.store.queries import OUTBOX
from runtime.audit.entries import Action, Origin, record_async
from runtime.dead_letter_messages import DISCARD, REDRIVE
from runtime.postgres.connection_types import AsyncConnection

SOURCE = "outbox"
MAX_ID = 2**63 - 1
STATUSES = {REDRIVE: "NEW", DISCARD: "DISCARDED"}


class DeadEvent(NamedTuple):
    """An event that Kafka rejected; `state` is OPEN or DISCARDED."""

    id: int
    state: str
    topic: str
    reason: str
    cause: str
    event_type: int
    key: str
    event_id: str
    occur_time: datetime
    discarded_at: datetime | None

    @property
    def dead_letter_id(self) -> str:
        """The id of the dead letter."""
        return dead_letter_id(self.id)


def dead_letter_id(number: int) -> str:
    """Return the id of the dead letter of an event."""
    return f"{SOURCE}.{number}"


def event_number(text: str) -> int | None:
    """Return the id of the event of a dead letter, None if the text is no id of one."""
    head, _, number = text.partition(".")
    if head != SOURCE or not (number.isascii() and number.isdecimal()) or int(number) > MAX_ID:
        return None
    return int(number)


async def page(
    connection: AsyncConnection, filters: Mapping[str, Any], after: int, limit: int
) -> tuple[int, list[DeadEvent]]:
    """Return the number of events that match, and those after the one with an id, oldest first."""
    parameters = {**filters, "after": after, "limit": limit}
    rows = await (await connection.execute(OUTBOX.list_dead_events, parameters)).fetchall()
    return rows[0][0], [DeadEvent(*row[1:]) for row in rows if row[1] is not None]


async def find(connection: AsyncConnection, number: int) -> DeadEvent | None:
    """Return one event, None if it is not dead."""
    row = await (await connection.execute(OUTBOX.find_dead_event, {"id": number})).fetchone()
    return DeadEvent(*row) if row else None


async def changeable(connection: AsyncConnection, numbers: Iterable[int], action: str) -> set[int]:
    """Return which of the events `change` would change."""
    rows = await connection.execute(OUTBOX.dead_event_ids, {"ids": list(numbers)})
    return {number async for number, state in rows if action == REDRIVE or state == "OPEN"}


async def change(connection: AsyncConnection, numbers: Sequence[int], action: str, origin: Origin) -> set[int]:
    """Publish DEAD events again, or discard them, and then the later events of their orders; return those that were.

    Redriving a discarded event undoes that. It comes behind later events of its order then.
    """
    ids, restored = list(numbers), set()
    async with connection.transaction():
        if action == REDRIVE:
            restored = {row[0] async for row in await connection.execute(OUTBOX.restore_discarded, {"ids": ids})}
        shards = [row[0] async for row in await connection.execute(OUTBOX.lock_dead_shards, {"ids": ids})]
        selected = {"shards": shards, "ids": ids}
        await connection.execute(OUTBOX.lower_floors, selected)
        changed = {**selected, "status": STATUSES[action]}
        rows = await (await connection.execute(OUTBOX.change_dead_status, changed)).fetchall()
        for number, key, event_id, cause in sorted(rows):
            was = "DISCARDED" if number in restored else "DEAD"
            before = {"status": was, "key": key, "event_id": event_id, "cause": cause}
            entry = Action(action, dead_letter_id(number), before, {"status": STATUSES[action]})
            await record_async(connection, origin, entry)
        await connection.execute(OUTBOX.refresh_has_dead, {"shards": shards})
        await connection.execute(OUTBOX.notify_publishers)
    return {row[0] for row in rows}
