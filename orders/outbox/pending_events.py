"""Lists the events of the outbox that are not published yet, for a read-only role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from ordermesh.events.v1.events_pb2 import EventType

from orders.store.queries import OUTBOX
from runtime.postgres.connections import connect
from runtime.postgres.pooler import Pooler

APPLICATION = "ordermesh-outbox"
# Works with every pooler.
POOLER: Pooler = "transaction"
STATUSES = ("NEW", "FAILED")


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that is not published yet."""

    id: int
    status: str
    event_type: str
    key: str
    event_id: str
    occur_time: datetime
    cause: str
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class PendingFilter:
    """Selects events; None matches all."""

    key: str | None = None
    event_type: int | None = None
    older_minutes: int | None = None


def list_pending(dsn: str, statuses: Sequence[str], limit: int, matching: PendingFilter) -> list[PendingEvent]:
    """Return events, oldest first. Raises psycopg.Error."""
    parameters = {"statuses": list(statuses), "limit": limit, **asdict(matching)}
    with connect(dsn, APPLICATION, POOLER) as connection:
        rows = connection.execute(OUTBOX.list_pending, parameters).fetchall()
    return [PendingEvent(row[0], row[1], EventType.Name(row[2]), *row[3:]) for row in rows]
