"""Reads what was ordered and published, for a repair."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from orders.domain import ids
from orders.store.queries import LEDGER, REPAIR
from runtime.postgres.connection_types import Connection

# Type, total_minor and units of an event.
Sums = tuple[int, int, int]


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Open a transaction whose statements all read from one snapshot."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def held_since(connection: Connection) -> int:
    """Return from when on the outbox holds every event, in seconds since 1970; 0 for since ever."""
    row = connection.execute(REPAIR.held_since).fetchone()
    return 0 if row is None else int(row[0])


def published_events(connection: Connection, minute: int) -> dict[str, Sums]:
    """Return the published events of a minute by id."""
    rows = connection.execute(REPAIR.published_events, {"minute": minute})
    return {event_id: (type_, total_minor, units) for event_id, type_, total_minor, units in rows}


def known_events(connection: Connection, event_ids: Collection[str]) -> set[str]:
    """Return which of the events are in the outbox, in any status."""
    wanted = [uuid.UUID(one) for one in event_ids]
    times_ms = [ids.time_ms(one) for one in wanted] or [0]
    parameters = {"event_ids": wanted, "first_ms": min(times_ms), "last_ms": max(times_ms)}
    return {str(row[0]) for row in connection.execute(LEDGER.find_events, parameters)}


def product_sums(connection: Connection, order_ids: Collection[str] | None = None) -> dict[str, tuple[int, int]]:
    """Return units and revenue in minor units by product: of all orders, or of some."""
    if order_ids is None:
        rows = connection.execute(REPAIR.product_sums)
    else:
        rows = connection.execute(REPAIR.product_sums_of_orders, {"order_ids": list(order_ids)})
    return {product: (units, revenue_minor) for product, units, revenue_minor in rows}
