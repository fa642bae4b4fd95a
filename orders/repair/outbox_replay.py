"""Publishes events of the outbox again, with their ids: what was counted before is counted no second time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orders.store.queries import OUTBOX, REPAIR
from runtime.audit.entries import Action, Origin, record
from runtime.batched import batched
from runtime.kafka.topics import FIRST_STOCK_TYPE
from runtime.postgres.connection_types import Connection

MINUTE_SECONDS = 60
# New events of the same shards are published after these: few at a time, so that none waits for long.
BATCH_EVENTS = 5_000
POLL_SECONDS = 0.1


class SentEvent(NamedTuple):
    """An event of the outbox that was published."""

    id: int
    shard: int
    key: str
    occur_us: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects published events: of a time range in seconds since 1970, of some orders or with some ids, if given."""

    start: float
    end: float
    orders: Sequence[str] | None = None
    event_ids: Sequence[str] | None = None


@dataclass(slots=True)
class Replayed:
    """How many events are to be published again so far, how many of them were, and how many wait for a DEAD event."""

    events: int = 0
    published: int = 0
    blocked: int = 0


def select_events(connection: Connection, selection: Selection) -> Iterator[list[SentEvent]]:
    """Yield the selected events that the outbox holds: minute by minute, or those of some orders together."""
    if selection.orders is not None:
        yield _sent(connection, selection, selection.start, selection.end)
        return
    whole = {"start": selection.start, "end": selection.end}
    for (minute,) in connection.execute(REPAIR.minutes_with_events, whole).fetchall():
        start, end = max(minute, selection.start), min(minute + MINUTE_SECONDS, selection.end)
        yield _sent(connection, selection, start, end)


def replay(
    connection: Connection,
    found: Iterable[Sequence[SentEvent]],
    origin: Origin,
    action: Action,
    on_progress: Callable[[Replayed], None] = lambda state: None,
) -> Replayed:
    """Publish events again, a batch at a time, and wait until each batch is published; each has its audit entry.

    Blocks while no publisher runs. Stopped in between, the events of a batch are published nevertheless.
    """
    state = Replayed()
    for batch in (each for some in found for each in batched(some, BATCH_EVENTS)):
        publish_again(connection, batch, origin, action)
        state.events += len(batch)
        blocked = state.blocked
        while True:
            waiting, stuck = _waiting(connection, batch)
            state.published, state.blocked = state.events - blocked - waiting, blocked + stuck
            on_progress(state)
            if waiting == stuck:
                break
            time.sleep(POLL_SECONDS)
    return state


def publish_again(connection: Connection, events: Sequence[SentEvent], origin: Origin, action: Action) -> None:
    """Make events unsent and notify the publishers, with an entry of the audit log in the same transaction."""
    parameters = _places(events)
    times = [event.occur_us for event in events]
    with connection.transaction():
        connection.execute(REPAIR.lock_shards, parameters)
        connection.execute(REPAIR.lower_floors, parameters)
        changed = connection.execute(
            REPAIR.publish_again, {**parameters, "first_us": min(times), "last_us": max(times)}
        )
        after = {**(action.after or {}), "events": changed.rowcount}
        record(connection, origin, Action(action.action, action.target, action.before, after))
        connection.execute(OUTBOX.notify_publishers)


def _waiting(connection: Connection, events: Sequence[SentEvent]) -> tuple[int, int]:
    parameters = {**_places(events), "first_stock_type": FIRST_STOCK_TYPE}
    row = connection.execute(REPAIR.waiting_events, parameters).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def _places(events: Sequence[SentEvent]) -> dict[str, list[int]]:
    return {"shards": [event.shard for event in events], "ids": [event.id for event in events]}


def _sent(connection: Connection, selection: Selection, start: float, end: float) -> list[SentEvent]:
    parameters = {
        "start": start,
        "end": end,
        "keys": None if selection.orders is None else list(selection.orders),
        "event_ids": None if selection.event_ids is None else list(selection.event_ids),
    }
    return [SentEvent._make(row) for row in connection.execute(REPAIR.sent_events, parameters)]
