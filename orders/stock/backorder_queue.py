"""The queue of backorders, by position: what each order in PENDING_RESTOCK needs of each tracked product."""

from __future__ import annotations

from collections.abc import Sequence

from orders.domain import events
from orders.domain.ids import uuid7
from orders.domain.order import StoredOrder
from orders.stock.allocation import Decision
from orders.stock.backorder_holds import Backorder
from orders.store.insert_events import insert_events
from orders.store.insert_orders import PlannedOrder
from orders.store.order_rows import stored_order
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection


async def insert_backorders(
    connection: AsyncConnection, batch: Sequence[PlannedOrder], decisions: Sequence[Decision]
) -> None:
    """Append the orders without allocation to the queue, with a RESTOCK_REQUESTED event per missing product."""
    needs = [
        (product, p.order_id, quantity)
        for p, decision in zip(batch, decisions, strict=True)
        if not decision.allocated
        for product, quantity in p.order.needs.items()
    ]
    if not needs:
        return
    products, order_ids, quantities = zip(*needs, strict=True)
    parameters = {
        "product_ids": arrays.quoted(products),
        "order_ids": arrays.plain(order_ids),
        "quantities": arrays.plain(quantities),
    }
    await connection.execute(QUERIES.insert_backorders, parameters)
    requested = [
        events.restock_requested(uuid7(p.created_us), product, p.order_id, missing, p.created_us, p.order.traceparent)
        for p, decision in zip(batch, decisions, strict=True)
        for product, missing in decision.missing.items()
    ]
    await insert_events(connection, requested)


async def find_backorders(
    connection: AsyncConnection, product_ids: Sequence[str], after: int, limit: int
) -> list[Backorder]:
    """Return up to `limit` backorders of any of the products whose positions follow `after`, by position."""
    parameters = {"product_ids": list(product_ids), "after": after, "limit": limit}
    cursor = await connection.execute(QUERIES.find_backorders, parameters)
    found: dict[str, Backorder] = {}
    for position, order_id, product, quantity, arrivals_before in await cursor.fetchall():
        backorder = found.setdefault(order_id, Backorder(position, order_id, {}, {}))
        backorder.needs[product] = quantity
        backorder.arrivals_before[product] = arrivals_before
    return list(found.values())


async def lock_backorders(connection: AsyncConnection, order_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Lock those of the orders that are still in PENDING_RESTOCK, and return them by id."""
    if not order_ids:
        return {}
    cursor = await connection.execute(QUERIES.lock_backorders, {"order_ids": arrays.plain(order_ids)})
    return {row[0]: stored_order(row) for row in await cursor.fetchall()}


async def delete_backorders(connection: AsyncConnection, order_ids: Sequence[str]) -> set[int]:
    """Remove orders from the queue and return the positions that they had."""
    cursor = await connection.execute(QUERIES.delete_backorders, {"order_ids": arrays.plain(order_ids)})
    return {row[0] for row in await cursor.fetchall()}
