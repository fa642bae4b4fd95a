"""Gives stock that became free to the orders that wait for it, oldest first, some hundred in a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from orders import ids, plan, rows
from orders.clock import DatabaseClock
from orders.doorbell import Doorbell
from orders.model import CREATED, StoredOrder
from orders.sql import QUERIES
from orders.stored import from_row
from orders.tracked import lock_stocks, write_stocks
from orders.transitions import step_events
from runtime import arrays, tracing
from runtime.logging import logger
from runtime.postgres import retried

MAX_ORDERS = 500
SWEEP_SECONDS = 1.0

Connection = psycopg.AsyncConnection[Any]


class Releases:
    """Releases waiting orders. What is begun is noted at the product, so that another process can go on with it."""

    def __init__(self, pool: AsyncConnectionPool[Connection], clock: DatabaseClock, doorbell: Doorbell) -> None:
        self._pool = pool
        self._clock = clock
        self._doorbell = doorbell

    async def begin(self, connection: Connection, product_ids: Sequence[str]) -> None:
        """Note, in the transaction that frees the stock, that a release is due."""
        await connection.execute(QUERIES.begin_release, {"first": ids.FIRST, "product_ids": list(product_ids)})

    async def run(self, product_ids: Sequence[str], traceparent: str) -> int:
        """Release what can be released now and return how many orders were.

        What freed the stock is committed by now, so a database that goes away is no error: a sweep goes on later.
        """
        released = 0
        try:
            for product_id in product_ids:
                after: str | None = ids.FIRST
                while after is not None:
                    count, after = await self._step(product_id, after, traceparent)
                    released += count
        except psycopg.Error as error:
            logger().warning("a release has to wait", error=str(error).strip())
        return released

    async def sweep(self) -> None:
        """Go on with releases that nobody finished, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                async with self._pool.connection() as connection:
                    unfinished = await (await connection.execute(QUERIES.unfinished_releases)).fetchall()
                traceparent = tracing.from_metadata(None).traceparent
                for product_id, after in unfinished:
                    await self._step(product_id, after, traceparent)
            except psycopg.Error as error:
                logger().warning("sweep of releases failed", error=str(error).strip())

    async def _step(self, product_id: str, after: str, traceparent: str) -> tuple[int, str | None]:
        count, following = await retried(lambda: self._release(product_id, after, traceparent))
        if count:
            self._doorbell.ring()
        return count, following

    async def _release(self, product_id: str, after: str, traceparent: str) -> tuple[int, str | None]:
        """Release some orders in one transaction; return how many, and where to go on."""
        async with self._pool.connection() as connection, connection.transaction():
            parameters = {"product_id": product_id, "after": after, "limit": MAX_ORDERS}
            cursor = await connection.execute(QUERIES.waiting_candidates, parameters)
            needs: dict[str, dict[str, int]] = {}
            for order_id, product, quantity in await cursor.fetchall():
                needs.setdefault(order_id, {})[product] = quantity
            stocks = await lock_stocks(connection, [product_id, *(p for need in needs.values() for p in need)])
            waiting = await lock_waiting(connection, list(needs))
            fits = plan.release(stocks, [needs[order.order_id] for order in waiting])
            released = [order for order, fit in zip(waiting, fits, strict=True) if fit]
            await self._write(connection, released, stocks, traceparent)
            exhausted = len(needs) < MAX_ORDERS or stocks[product_id].on_hand == 0
            following = None if exhausted else max(needs)
            progress = {"product_id": product_id, "after": after, "following": following}
            await connection.execute(QUERIES.move_release, progress)
        return len(released), following

    async def _write(
        self, connection: Connection, released: Sequence[StoredOrder], stocks: dict[str, plan.Stock], traceparent: str
    ) -> None:
        if not released:
            return
        stepped = step_events(released, CREATED, self._clock.now_us(len(released)), traceparent)
        order_ids = arrays.plain([order.order_id for order in released])
        occur_us = arrays.plain([event.occur_us for event in stepped])
        await connection.execute(QUERIES.step_released_orders, {"order_ids": order_ids, "occur_us": occur_us})
        await connection.execute(QUERIES.delete_waiting, {"order_ids": order_ids})
        await write_stocks(connection, stocks)
        await connection.execute(QUERIES.insert_events, rows.event_parameters(stepped))


async def lock_waiting(connection: Connection, order_ids: Sequence[str]) -> list[StoredOrder]:
    """Lock those of the orders that still wait, oldest first."""
    if not order_ids:
        return []
    cursor = await connection.execute(QUERIES.lock_waiting_orders, {"order_ids": arrays.plain(order_ids)})
    return [from_row(row) for row in await cursor.fetchall()]
