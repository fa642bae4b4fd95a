"""Locks and writes the stock of products. All products are locked here, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orders.stock.stock_levels import Stock
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection


async def lock_stocks(connection: AsyncConnection, product_ids: Iterable[str]) -> dict[str, Stock]:
    """Lock products by id, so that transactions cannot deadlock, and return their stock."""
    cursor = await connection.execute(QUERIES.lock_products, {"product_ids": arrays.quoted(sorted(set(product_ids)))})
    return {product_id: Stock(*columns) async for product_id, *columns in cursor}


async def write_stocks(connection: AsyncConnection, stocks: Mapping[str, Stock]) -> None:
    """Write the changes of locked products, one row per changed product."""
    changed = {name: s for name, s in stocks.items() if s.on_hand_change or s.awaited_change or s.hold_changed}
    if changed:
        parameters = {
            "product_ids": arrays.quoted(changed),
            "stock_changes": arrays.plain([s.on_hand_change for s in changed.values()]),
            "awaited_changes": arrays.plain([s.awaited_change for s in changed.values()]),
            "arrivals": arrays.plain([s.arrivals for s in changed.values()]),
            "arrived_us": arrays.plain([s.arrived_us for s in changed.values()]),
            "holders": arrays.plain([s.holder for s in changed.values()]),
            "held": arrays.plain([s.held for s in changed.values()]),
            "held_until_us": arrays.plain([s.held_until_us for s in changed.values()]),
        }
        await connection.execute(QUERIES.update_stocks, parameters)
