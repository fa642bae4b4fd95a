"""Moves orders from status to status; each move is one transaction with its event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
from ordermesh.orders.v1.orders_pb2 import Order
from psycopg_pool import AsyncConnectionPool

from orders.domain.clock import DatabaseClock
from orders.domain.order import CANCELLED, PENDING_RESTOCK, Needs, Status, StoredOrder
from orders.domain.transitions import step_event
from orders.stock.backorder_release import Releases
from orders.stock.product_cache import Catalogue
from orders.stock.tracked_orders import write_stocks
from orders.store import insert_orders
from orders.store.order_rows import fetch_order
from orders.store.queries import QUERIES

Connection = psycopg.AsyncConnection[Any]


class Steps:
    """The steps that clients ask for."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], catalogue: Catalogue, clock: DatabaseClock, releases: Releases
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._clock = clock
        self._releases = releases

    async def move(self, connection: Connection, order_id: str, target: Status, traceparent: str) -> StoredOrder:
        """Bring an order to a status, in a transaction, and return it as it is then.

        Raises NotFound and FailedPrecondition.
        """
        tracked = await self._needs(connection, order_id) if target == CANCELLED else {}
        stocks = await self._releases.lock(connection, sorted(tracked)) if tracked else {}
        order = await fetch_order(connection, QUERIES.lock_order, order_id)
        if order.status == target:
            return order
        event = step_event(order, target, self._clock.now_us(), traceparent)
        parameters = {"order_id": order_id, "status": Order.Status.Name(target), "occur_us": event.occur_us}
        await connection.execute(QUERIES.step_order, parameters)
        await connection.execute(QUERIES.insert_events, insert_orders.event_parameters([event]))
        if tracked:
            cursor = await connection.execute(QUERIES.delete_waiting, {"order_ids": [order_id]})
            places = {row[0] for row in await cursor.fetchall()}
            for product, quantity in tracked.items():
                if order.status == PENDING_RESTOCK:
                    stocks[product].leave(quantity, places)
                else:
                    stocks[product].give_back(quantity, event.occur_us)
            await self._releases.give(connection, sorted(tracked), stocks, traceparent)
            await write_stocks(connection, stocks)
        return replace(order, status=target, sequence=order.sequence + 1, updated_at_us=event.occur_us)

    async def _needs(self, connection: Connection, order_id: str) -> Needs:
        """Return what an order needs of tracked products, which never changes."""
        order = await fetch_order(connection, QUERIES.get_order, order_id)
        return await self._catalogue.needs(connection, order.lines)
