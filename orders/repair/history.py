"""Reads what analytics can be rebuilt from: the events that the outbox holds, and the sums of all events and orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from orders.repair.outbox_replay import MINUTE_SECONDS
from orders.store.queries import LEDGER, REPAIR
from runtime import ledger_messages
from runtime.postgres.connection_types import Connection

# Before any time that an event may have.
FIRST_SECONDS = -62_135_596_800
# More events than these are not published: then nobody knows in time which of them Kafka has.
MAX_UNSENT = 100_000
Row = tuple[Any, ...]


class Record(NamedTuple):
    """An event as it is in Kafka."""

    event_type: int
    key: str
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class History:
    """The sums of one snapshot: rows of published events by minute and type, of all orders by minute and status."""

    events: Sequence[Row]
    orders: Sequence[Row]
    # In the sums of the orders, but in those of the events not.
    unpublished: Sequence[Record]
    # From when on they are complete, in seconds since 1970; 0 for since ever.
    coverage_start: int


def minutes_of_events(connection: Connection, start: int) -> list[int]:
    """Return the minutes from a time on in which events occurred."""
    parameters = {"start": start, "end": ledger_messages.END_SECONDS}
    return [row[0] for row in connection.execute(REPAIR.minutes_with_events, parameters)]


def published_records(connection: Connection, minute: int) -> list[Record]:
    """Return the published events of a minute that the outbox holds."""
    return [Record._make(row) for row in connection.execute(REPAIR.published_records, {"minute": minute})]


def published_sums(connection: Connection, start: int, end: int) -> list[Row]:
    """Return the sums of the published events by minute and type."""
    return connection.execute(LEDGER.event_sums, {"period": "MINUTE", "start": start, "end": end}).fetchall()


def minute_sums(connection: Connection, minute: int) -> list[Row]:
    """Return the sums of the published events of a minute by type."""
    return published_sums(connection, minute, minute + MINUTE_SECONDS)


def unsent_event_ids(connection: Connection) -> list[str]:
    """Return the first events that are not published."""
    return [row[0] for row in connection.execute(REPAIR.unsent_event_ids, {"limit": MAX_UNSENT + 1})]


def history(connection: Connection) -> History:
    """Return the sums of everything; call it in a snapshot."""
    whole = {"period": "MINUTE", "start": FIRST_SECONDS, "end": ledger_messages.END_SECONDS}
    orders = connection.execute(LEDGER.order_sums, whole).fetchall()
    unpublished = [Record._make(row) for row in connection.execute(REPAIR.unpublished_records)]
    row = connection.execute(LEDGER.coverage).fetchone()
    events = published_sums(connection, FIRST_SECONDS, ledger_messages.END_SECONDS)
    return History(events, orders, unpublished, 0 if row is None else row[0])
