"""What an operator does with events that Kafka refused for good: list them, try them again, or give them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from ordermesh.events.v1.events_pb2 import EventType

from orders.store.queries import OUTBOX, QUERIES
from runtime.postgres.connections import connect

# Works through any pooler.
APPLICATION = "ordermesh-outbox"
STATUSES = ("NEW", "FAILED", "DEAD", "DISCARDED")


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event that was not sent."""

    id: int
    status: str
    event_type: str
    key: str
    event_id: str
    occur_time: datetime
    cause: str
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What events have in common; what is None is left open. A cause holds the given text, in any case."""

    key: str | None = None
    event_type: int | None = None
    cause: str | None = None
    older_minutes: int | None = None


def list_events(dsn: str, statuses: Sequence[str], limit: int, choice: Choice | None = None) -> list[ListedEvent]:
    """Return unsent events, oldest first."""
    parameters = {"statuses": list(statuses), "limit": limit, **asdict(choice or Choice())}
    with connect(dsn, APPLICATION, "transaction") as connection:
        rows = connection.execute(OUTBOX.list_events, parameters).fetchall()
    return [ListedEvent(row[0], row[1], EventType.Name(row[2]), row[3], row[4], row[5], row[6], row[7]) for row in rows]


def find_dead(dsn: str, choice: Choice) -> list[int]:
    """Return the ids of the dead events that are meant, oldest first."""
    with connect(dsn, APPLICATION, "transaction") as connection:
        return [row[0] for row in connection.execute(OUTBOX.find_dead, asdict(choice))]


def retry(dsn: str, ids: Sequence[int]) -> list[int]:
    """Have dead events published again; return the ids of those that were dead."""
    return _settle(dsn, ids, "NEW")


def discard(dsn: str, ids: Sequence[int]) -> list[int]:
    """Give dead events up, so that their orders' later events go on; return the ids of those that were dead."""
    return _settle(dsn, ids, "DISCARDED")


def _settle(dsn: str, ids: Sequence[int], status: str) -> list[int]:
    with connect(dsn, APPLICATION, "transaction") as connection, connection.transaction():
        shards = [row[0] for row in connection.execute(OUTBOX.lock_dead_shards, {"ids": list(ids)})]
        meant = {"shards": shards, "ids": list(ids)}
        connection.execute(OUTBOX.lower_floors, meant)
        rows = connection.execute(OUTBOX.settle_dead, {**meant, "status": status}).fetchall()
        connection.execute(OUTBOX.refresh_has_dead, {"shards": shards})
        connection.execute(QUERIES.ring)
    return sorted(row[0] for row in rows)
