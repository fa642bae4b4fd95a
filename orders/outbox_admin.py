"""What an operator does with events that Kafka refused for good: list them, try them again, or give them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ordermesh.events.v1.events_pb2 import EventType

from orders.sql import OUTBOX, QUERIES
from runtime.postgres import connect

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


def list_events(dsn: str, statuses: Sequence[str], limit: int) -> list[ListedEvent]:
    """Return unsent events, oldest first."""
    with connect(dsn, APPLICATION, "transaction") as connection:
        rows = connection.execute(OUTBOX.list_events, {"statuses": list(statuses), "limit": limit}).fetchall()
    return [ListedEvent(row[0], row[1], EventType.Name(row[2]), row[3], row[4], row[5], row[6], row[7]) for row in rows]


def retry(dsn: str, ids: Sequence[int]) -> list[int]:
    """Have dead events published again; return the ids of those that were dead."""
    return _settle(dsn, ids, "NEW")


def discard(dsn: str, ids: Sequence[int]) -> list[int]:
    """Give dead events up, so that their orders' later events go on; return the ids of those that were dead."""
    return _settle(dsn, ids, "DISCARDED")


def _settle(dsn: str, ids: Sequence[int], status: str) -> list[int]:
    with connect(dsn, APPLICATION, "transaction") as connection, connection.transaction():
        connection.execute(OUTBOX.lock_dead_shards, {"ids": list(ids)})
        rows = connection.execute(OUTBOX.settle_dead, {"ids": list(ids), "status": status}).fetchall()
        connection.execute(OUTBOX.refresh_has_dead)
        connection.execute(QUERIES.ring)
    return sorted(row[0] for row in rows)
