"""Waits until revisions of orders are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import grpc
from ordermesh.analytics.v1.analytics_pb2 import Freshness, GetSalesSummaryRequest
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import ConnectionPool

from runtime import ledger_messages, timestamps
from runtime.errors import FailedPrecondition, InvalidRequest, Overloaded, Violation
from runtime.grpc import field_rules
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries
from runtime.tokens import order_revision
from runtime.tokens.order_revision import OrderRevision

SQL = Queries("processor.query", "revisions.sql")
WAIT_MS = field_rules.number(GetSalesSummaryRequest, "wait_ms")
MAX_REVISIONS = field_rules.rules(GetSalesSummaryRequest, "min_revisions").items.max_items
REVISION_RULE = "must be the revision of an order, as the orders service returned it"
POLL_SECONDS = 0.02
CLOCK_STEP_MS = 24 * 3_600_000


class Revised(Protocol):
    """A request with revisions that the answer must include."""

    @property
    def min_revisions(self) -> Sequence[str]:
        """The revisions."""

    @property
    def wait_ms(self) -> int:
        """The longest wait."""


class RevisionWaits:
    """Waits for revisions; a part of the threads waits at most, so that others are answered."""

    def __init__(self, pool: ConnectionPool[Connection], places: int) -> None:
        self._pool = pool
        self._places = threading.BoundedSemaphore(max(1, places))

    def wait(self, request: Revised, wait_ms: int, context: grpc.ServicerContext) -> list[str]:
        """Wait until the revisions of a valid request are counted; return those that are not.

        Blocks; raises Overloaded, psycopg.Error.
        """
        left = {text: order_revision.decode(text) for text in request.min_revisions}
        if not left:
            return []
        remaining = context.time_remaining() if context is not None else None
        give_up = time.monotonic() + min(wait_ms / 1000, remaining if remaining is not None else float("inf"))
        if not self._places.acquire(blocking=False):
            raise Overloaded
        try:
            while True:
                left = self._not_counted(left)
                if not left or time.monotonic() >= give_up:
                    return list(left)
                time.sleep(POLL_SECONDS)
        finally:
            self._places.release()

    def _not_counted(self, left: dict[str, OrderRevision | None]) -> dict[str, OrderRevision | None]:
        with self._pool.connection() as connection:
            return {text: one for text, one in left.items() if one is not None and not is_counted(connection, one)}


def checked(request: Revised) -> int:
    """Check the fields of a request, and return the longest wait. Raises InvalidRequest."""
    violations: list[Violation] = []
    wait_ms = WAIT_MS.checked(request.wait_ms, violations)
    if len(request.min_revisions) > MAX_REVISIONS:
        violations.append(Violation("min_revisions", f"must have at most {MAX_REVISIONS} elements"))
    for number, text in enumerate(request.min_revisions[:MAX_REVISIONS]):
        if order_revision.decode(text) is None:
            violations.append(Violation(f"min_revisions[{number}]", REVISION_RULE))
    if violations:
        raise InvalidRequest(violations)
    return wait_ms


def is_counted(connection: Connection, revision: OrderRevision) -> bool:
    """Return whether the change of a revision is counted; of one from before the retention it is."""
    order_id, status, updated_at_us = revision
    parameters = {
        "order_id": order_id,
        "first_id": first_event_id(order_id),
        "status": status,
        "updated_at_us": updated_at_us,
    }
    row = connection.execute(SQL.is_counted, parameters).fetchone()
    return bool(row and row[0])


def first_event_id(order_id: UUID) -> UUID:
    """Return an id below those of an order's events, which limits the search to the partitions from its day on.

    Ids begin with their time, and the clock that they come from may have been set back since.
    """
    milliseconds = max(0, (order_id.int >> ledger_messages.ID_TIME_SHIFT) - CLOCK_STEP_MS)
    return UUID(int=milliseconds << ledger_messages.ID_TIME_SHIFT)


def not_counted(missing: Sequence[str], request: Revised, freshness: Freshness) -> FailedPrecondition:
    """Return the error that says how far the metrics are."""
    asked, wait_ms = len(set(request.min_revisions)), WAIT_MS.value(request.wait_ms)
    message = f"min_revisions: {len(missing)} of {asked} not counted within {wait_ms} ms: {missing[0]}"
    metadata = {"not_counted": str(len(missing)), "revision": missing[0]}
    if freshness.HasField("as_of_time"):
        as_of_ms = freshness.as_of_time.ToMilliseconds()
        metadata |= {"as_of_time": timestamps.millisecond_text(as_of_ms) or "", "lag_events": str(freshness.lag_events)}
        message += f"; {freshness.lag_events:,} events in Kafka are not counted"
    return FailedPrecondition(ErrorReason.NOT_COUNTED, message, metadata=metadata)
