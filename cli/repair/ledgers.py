"""Compares the ledgers of both databases."""

from __future__ import annotations

from typing import Any, Literal

from orders.repair.rebuilt_events import Slot
from orders.store.queries import LEDGER
from processor.ledger.analytics_ledger_service import SQL as COUNTED
from runtime.postgres.connection_types import Connection

Period = Literal["DAY", "MINUTE"]
Query = Literal["event_sums", "order_sums"]
NOTHING = (0, 0, 0, 0)


def differing(
    orders: Connection, analytics: Connection, period: Period, start: int, end: int, query: Query
) -> list[int]:
    """Return the periods whose sums differ."""
    return sorted({start for start, _ in differing_sums(orders, analytics, period, start, end, query)})


def differing_sums(
    orders: Connection, analytics: Connection, period: Period, start: int, end: int, query: Query
) -> dict[Slot, tuple[Any, Any]]:
    """Return the sums that differ, of what was published and of what is counted, by period and event type or status."""
    wanted = {"period": period, "start": start, "end": end}
    sent, counted = (
        {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(statement, wanted).fetchall()}
        for connection, statement in ((orders, getattr(LEDGER, query)), (analytics, getattr(COUNTED, query)))
    )
    pairs = {slot: (sent.get(slot, NOTHING), counted.get(slot, NOTHING)) for slot in sorted({*sent, *counted})}
    return {slot: pair for slot, pair in pairs.items() if pair[0] != pair[1]}
