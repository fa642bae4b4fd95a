"""Releases backorders: allocates stock that became available to the queue, by position, a limited number at a time.

Where a release has to continue is saved with the product, so that any process can continue it (`ReleaseSweep`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import psycopg

from orders.domain.clock import DatabaseClock
from orders.domain.order import CREATED, StoredOrder
from orders.domain.transitions import transition_events
from orders.stock import allocation, stock_levels
from orders.stock.backorder_queue import delete_backorders, find_backorders, lock_backorders
from orders.stock.stock_levels import Stock
from orders.stock.stock_locks import lock_stocks, write_stocks
from orders.store.insert_events import insert_events
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry.logging import logger

MAX_ORDERS = 500
QUEUE_START = 0


@dataclass(frozen=True, slots=True)
class Released:
    """How many orders were released, and what is left: `unfinished` products continue after position `last`.

    Releases of `newly_available` products start from the beginning of the queue: a hold on them has ended.
    """

    orders: int
    unfinished: Sequence[str]
    last: int
    newly_available: Sequence[str] = ()


class BackorderReleases:
    """Releases backorders within the caller's transaction."""

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock
        self._scheduled = False
        # Set when a committed transaction left a release unfinished.
        self.due = asyncio.Event()

    async def schedule(self, connection: AsyncConnection, product_ids: Sequence[str], after: int = QUEUE_START) -> None:
        """Save that releases of locked products have to continue after a position."""
        if product_ids:
            await connection.execute(QUERIES.schedule_release, {"product_ids": list(product_ids), "after": after})
            self._scheduled = True

    def continue_scheduled(self) -> None:
        """Wake the sweep when a committed transaction scheduled a release; returns at once."""
        if self._scheduled:
            self._scheduled = False
            self.due.set()

    async def lock(
        self, connection: AsyncConnection, product_ids: Sequence[str], after: int = QUEUE_START, limit: int = MAX_ORDERS
    ) -> dict[str, Stock]:
        """Lock products and every other product that their first backorders need; return the stock of all."""
        found = await find_backorders(connection, product_ids, after, limit)
        return await lock_stocks(connection, [*product_ids, *(product for each in found for product in each.needs)])

    async def release(
        self, connection: AsyncConnection, product_ids: Sequence[str], stocks: dict[str, Stock], traceparent: str
    ) -> int:
        """Release backorders in the transaction that made stock available, and return how many were released.

        `lock` locked the stocks, and the caller writes them. The rest is scheduled; so is everything when an order
        cannot be stored, because the transaction of the caller must not fail for it.
        """
        before = {name: replace(stock) for name, stock in stocks.items()}
        try:
            async with connection.transaction():
                released = await self._release(connection, product_ids, QUEUE_START, stocks, traceparent, MAX_ORDERS)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            logger().warning(
                "backorder release deferred: database error",
                product_ids=list(product_ids),
                error=error,
            )
            stocks.update(before)
            released = Released(0, product_ids, QUEUE_START)
        await self.schedule(connection, released.unfinished, released.last)
        await self.schedule(connection, released.newly_available)
        return released.orders

    async def continue_release(
        self,
        connection: AsyncConnection,
        product_ids: Sequence[str],
        after: int,
        traceparent: str,
        limit: int = MAX_ORDERS,
    ) -> int:
        """Continue a scheduled release after a position, in a transaction of its own; return how many were released."""
        stocks = await self.lock(connection, product_ids, after, limit)
        released = await self._release(connection, product_ids, after, stocks, traceparent, limit)
        await write_stocks(connection, stocks)
        parameters = {
            "product_ids": list(product_ids),
            "after": after,
            "unfinished": released.unfinished,
            "last": released.last,
        }
        await connection.execute(QUERIES.advance_release, parameters)
        await self.schedule(connection, released.newly_available)
        return released.orders

    async def _release(
        self,
        connection: AsyncConnection,
        product_ids: Sequence[str],
        after: int,
        stocks: dict[str, Stock],
        traceparent: str,
        limit: int,
    ) -> Released:
        """Allocate available stock to backorders, by position."""
        # Read again under the lock, to see the backorders that were inserted before it was granted.
        found = await find_backorders(connection, product_ids, after, limit)
        reached = list(takewhile(lambda each: each.needs.keys() <= stocks.keys(), found))
        orders = await lock_backorders(connection, [each.order_id for each in reached])
        backorders = [each for each in reached if each.order_id in orders]
        now_us = self._clock.now_us()
        allocated = allocation.release(stocks, backorders, product_ids, now_us)
        released = [orders[each.order_id] for each, fits in zip(backorders, allocated, strict=True) if fits]
        await self._write(connection, released, traceparent)
        finished = len(reached) == len(found) < limit
        return Released(
            orders=len(released),
            unfinished=[]
            if finished
            else [p for p in product_ids if stocks[p].available(stock_levels.LAST_POSITION, now_us) > 0],
            last=reached[-1].position if reached else after,
            newly_available=[name for name, stock in stocks.items() if stock.hold_ended and name not in product_ids],
        )

    async def _write(self, connection: AsyncConnection, released: Sequence[StoredOrder], traceparent: str) -> None:
        if not released:
            return
        events = transition_events(released, CREATED, self._clock.now_us(len(released)), traceparent)
        order_ids = [order.order_id for order in released]
        occur_us = arrays.plain([event.occur_us for event in events])
        parameters = {"order_ids": arrays.plain(order_ids), "occur_us": occur_us}
        await connection.execute(QUERIES.release_orders, parameters)
        await delete_backorders(connection, order_ids)
        await insert_events(connection, events)
