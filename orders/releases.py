"""Gives stock that became free to the orders that wait for it, oldest first, some hundred in a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from orders import ids, plan, rows
from orders.clock import DatabaseClock
from orders.doorbell import Doorbell
from orders.model import CREATED, StoredOrder
from orders.plan import Stock
from orders.sql import QUERIES
from orders.stored import from_row
from orders.tracked import lock_stocks, write_stocks
from orders.transitions import step_events
from runtime import arrays, tracing, transactions
from runtime.errors import OutcomeUnknown
from runtime.logging import logger

MAX_ORDERS = 500
SWEEP_SECONDS = 1.0

Connection = psycopg.AsyncConnection[Any]


class Releases:
    """Releases waiting orders. What is begun is noted at the product, so that another process can go on with it."""

    def __init__(self, pool: AsyncConnectionPool[Connection], clock: DatabaseClock, doorbell: Doorbell) -> None:
        self._pool = pool
        self._clock = clock
        self._doorbell = doorbell
        self._left = False
        self._due = asyncio.Event()

    async def begin(self, connection: Connection, product_ids: Sequence[str], first: str = ids.FIRST) -> None:
        """Note, in the transaction that frees the stock, that a release is due, and after which order."""
        await connection.execute(QUERIES.begin_release, {"first": first, "product_ids": list(product_ids)})

    async def lock(self, connection: Connection, product_ids: Sequence[str]) -> dict[str, Stock]:
        """Lock products whose stock comes free now, and those that orders which wait for them need beside."""
        found = [await waiting_needs(connection, product_id, ids.FIRST) for product_id in product_ids]
        others = [product for needs in found for need in needs.values() for product in need]
        return await lock_stocks(connection, [*product_ids, *others])

    async def give(
        self, connection: Connection, product_ids: Sequence[str], stocks: dict[str, Stock], traceparent: str
    ) -> int:
        """Release orders that wait for the locked products, in the transaction that freed the stock, and count them.

        The caller writes the stocks. What is left for later is noted, and `go_on` begins it.
        """
        released = 0
        for product_id in product_ids:
            count, following = await self._give(connection, product_id, ids.FIRST, stocks, traceparent)
            released += count
            if following is not None:
                await self.begin(connection, [product_id], following)
                self._left = True
        return released

    def go_on(self) -> None:
        """Have the sweep go on now with what a committed transaction left; returns at once."""
        if self._left:
            self._left = False
            self._due.set()

    async def sweep(self) -> None:
        """Go on with releases that are not finished, of any process, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), SWEEP_SECONDS)
            self._due.clear()
            try:
                async with self._pool.connection() as connection:
                    unfinished = await (await connection.execute(QUERIES.unfinished_releases)).fetchall()
                traceparent = tracing.from_metadata(None).traceparent
                for product_id, after in unfinished:
                    await self._step(product_id, after, traceparent)
                    self._due.set()
            except (psycopg.Error, OutcomeUnknown) as error:
                logger().warning("sweep of releases failed", error=str(error).strip())

    async def _step(self, product_id: str, after: str, traceparent: str) -> int:
        count = await transactions.write(
            self._pool, lambda connection: self._release(connection, product_id, after, traceparent)
        )
        if count:
            self._doorbell.ring()
        return count

    async def _release(self, connection: Connection, product_id: str, after: str, traceparent: str) -> int:
        """Release some orders and note where to go on; return how many."""
        needs = await waiting_needs(connection, product_id, after)
        stocks = await lock_stocks(connection, [product_id, *(p for need in needs.values() for p in need)])
        count, following = await self._give(connection, product_id, after, stocks, traceparent)
        await write_stocks(connection, stocks)
        progress = {"product_id": product_id, "after": after, "following": following}
        await connection.execute(QUERIES.move_release, progress)
        return count

    async def _give(
        self, connection: Connection, product_id: str, after: str, stocks: dict[str, Stock], traceparent: str
    ) -> tuple[int, str | None]:
        """Give free stock to those who wait, oldest first; return how many got theirs, and after whom to go on."""
        if not stocks[product_id].on_hand:
            return 0, None
        # Read again under the lock: an order that began to wait before it must not be forgotten.
        needs = await waiting_needs(connection, product_id, after)
        reached = dict(takewhile(lambda need: need[1].keys() <= stocks.keys(), needs.items()))
        waiting = await lock_waiting(connection, list(reached))
        fits = plan.release(stocks, [reached[order.order_id] for order in waiting])
        await self._write(connection, [o for o, fit in zip(waiting, fits, strict=True) if fit], traceparent)
        all_seen = len(reached) == len(needs) < MAX_ORDERS
        following = None if all_seen or not stocks[product_id].on_hand else max(reached, default=after)
        return sum(fits), following

    async def _write(self, connection: Connection, released: Sequence[StoredOrder], traceparent: str) -> None:
        if not released:
            return
        stepped = step_events(released, CREATED, self._clock.now_us(len(released)), traceparent)
        order_ids = arrays.plain([order.order_id for order in released])
        occur_us = arrays.plain([event.occur_us for event in stepped])
        await connection.execute(QUERIES.step_released_orders, {"order_ids": order_ids, "occur_us": occur_us})
        await connection.execute(QUERIES.delete_waiting, {"order_ids": order_ids})
        await connection.execute(QUERIES.insert_events, rows.event_parameters(stepped))


async def waiting_needs(connection: Connection, product_id: str, after: str) -> dict[str, dict[str, int]]:
    """Return what orders that wait for a product need, oldest first."""
    parameters = {"product_id": product_id, "after": after, "limit": MAX_ORDERS}
    needs: dict[str, dict[str, int]] = {}
    async for order_id, product, quantity in await connection.execute(QUERIES.waiting_candidates, parameters):
        needs.setdefault(order_id, {})[product] = quantity
    return needs


async def lock_waiting(connection: Connection, order_ids: Sequence[str]) -> list[StoredOrder]:
    """Lock those of the orders that still wait, oldest first."""
    if not order_ids:
        return []
    cursor = await connection.execute(QUERIES.lock_waiting_orders, {"order_ids": arrays.plain(order_ids)})
    return [from_row(row) for row in await cursor.fetchall()]
