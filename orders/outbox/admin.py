"""Administration of unsent events: lists them, and retries or discards those that are DEAD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from ordermesh.events.v1.events_pb2 import EventType

from orders.store.queries import OUTBOX
from runtime.audit.entries import Action, Origin, record
from runtime.postgres.connections import connect
from runtime.postgres.pooler import Pooler

APPLICATION = "ordermesh-outbox"
# Works with every pooler.
POOLER: Pooler = "transaction"
STATUSES = ("NEW", "FAILED", "DEAD", "DISCARDED")


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An unsent event."""

    id: int
    status: str
    event_type: str
    key: str
    event_id: str
    occur_time: datetime
    cause: str
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects events; None matches all. `cause` is a part of the cause, in upper or lower case."""

    key: str | None = None
    event_type: int | None = None
    cause: str | None = None
    older_minutes: int | None = None


def list_events(
    dsn: str, statuses: Sequence[str], limit: int, event_filter: EventFilter | None = None
) -> list[ListedEvent]:
    """Return unsent events, oldest first."""
    parameters = {"statuses": list(statuses), "limit": limit, **asdict(event_filter or EventFilter())}
    with connect(dsn, APPLICATION, POOLER) as connection:
        rows = connection.execute(OUTBOX.list_events, parameters).fetchall()
    return [ListedEvent(row[0], row[1], EventType.Name(row[2]), row[3], row[4], row[5], row[6], row[7]) for row in rows]


def find_dead(dsn: str, event_filter: EventFilter) -> list[int]:
    """Return the ids of the DEAD events that match, oldest first."""
    with connect(dsn, APPLICATION, POOLER) as connection:
        return [row[0] for row in connection.execute(OUTBOX.find_dead, asdict(event_filter))]


def retry(dsn: str, ids: Sequence[int], origin: Origin) -> list[int]:
    """Publish DEAD events again; return the ids of those that were DEAD."""
    return _change_status(dsn, ids, "NEW", "outbox retry", origin)


def discard(dsn: str, ids: Sequence[int], origin: Origin) -> list[int]:
    """Discard DEAD events, so that later events of their orders are published; return the ids of those that were."""
    return _change_status(dsn, ids, "DISCARDED", "outbox discard", origin)


def _change_status(dsn: str, ids: Sequence[int], status: str, command: str, origin: Origin) -> list[int]:
    with connect(dsn, APPLICATION, POOLER) as connection, connection.transaction():
        shards = [row[0] for row in connection.execute(OUTBOX.lock_dead_shards, {"ids": list(ids)})]
        selected = {"shards": shards, "ids": list(ids)}
        connection.execute(OUTBOX.lower_floors, selected)
        rows = connection.execute(OUTBOX.change_dead_status, {**selected, "status": status}).fetchall()
        for number, key, event_id, cause in rows:
            event = {"key": key, "event_id": event_id, "cause": cause}
            entry = Action(command, str(number), {"status": "DEAD", **event}, {"status": status})
            record(connection, origin, entry)
        connection.execute(OUTBOX.refresh_has_dead, {"shards": shards})
        connection.execute(OUTBOX.notify_publishers)
    return sorted(row[0] for row in rows)
