"""Gives stock that became free to the orders that wait for it, by their places in the queue, some hundred at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from orders.domain.clock import DatabaseClock
from orders.domain.order import CREATED, StoredOrder
from orders.domain.transitions import step_events
from orders.outbox.notifier import Doorbell
from orders.stock import allocation
from orders.stock.allocation import Stock, Waiting
from orders.stock.tracked_orders import lock_stocks, write_stocks
from orders.store import insert_orders
from orders.store.order_rows import stored_order
from orders.store.queries import QUERIES
from runtime.backoff import Backoff
from runtime.postgres import arrays, transactions
from runtime.telemetry import trace_context
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

MAX_ORDERS = 500
SWEEP_SECONDS = 1.0
# When a product whose release failed is tried again; meanwhile others go on.
BACKOFF = Backoff(first_seconds=1.0, max_seconds=60.0)
BEGINNING = 0

Connection = psycopg.AsyncConnection[Any]


@dataclass(slots=True)
class Rest:
    """How often in a row the releases of a product failed, and until when it rests."""

    failures: int
    until: float


@dataclass(frozen=True, slots=True)
class Step:
    """What was released, with which products to go on after which place, and which others are to be begun."""

    released: int
    going_on: Sequence[str]
    last: int
    due: Sequence[str] = ()


class Releases:
    """Releases waiting orders. What is begun is noted at the product, so that another process can go on with it."""

    def __init__(self, pool: AsyncConnectionPool[Connection], clock: DatabaseClock, doorbell: Doorbell) -> None:
        self._pool = pool
        self._clock = clock
        self._doorbell = doorbell
        self._rests: dict[str, Rest] = {}
        self._left = False
        self._due = asyncio.Event()

    async def begin(self, connection: Connection, product_ids: Sequence[str], after: int = BEGINNING) -> None:
        """Note that releases are due, and after which place; the products are locked."""
        if product_ids:
            await connection.execute(QUERIES.begin_release, {"product_ids": list(product_ids), "after": after})
            self._left = True

    async def lock(self, connection: Connection, product_ids: Sequence[str]) -> dict[str, Stock]:
        """Lock products whose stock comes free now, and those that orders which wait for them need beside."""
        found = await waiting_orders(connection, product_ids, BEGINNING, MAX_ORDERS)
        return await lock_stocks(connection, [*product_ids, *(product for each in found for product in each.needs)])

    async def give(
        self, connection: Connection, product_ids: Sequence[str], stocks: dict[str, Stock], traceparent: str
    ) -> int:
        """Release orders that wait for the locked products, in the transaction that freed the stock, and count them.

        The caller writes the stocks. What is left for later is noted, and `go_on` begins it; also when an order that
        waits cannot be stored: what freed the stock does not fail for it.
        """
        before = {name: replace(stock) for name, stock in stocks.items()}
        try:
            async with connection.transaction():
                step = await self._give(connection, product_ids, BEGINNING, stocks, traceparent, MAX_ORDERS)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            logger().warning("a release is left for later", product_ids=list(product_ids), error=str(error).strip())
            stocks.update(before)
            step = Step(0, product_ids, BEGINNING)
        await self.begin(connection, step.going_on, step.last)
        await self.begin(connection, step.due)
        return step.released

    def go_on(self) -> None:
        """Have the sweep go on now with what a committed transaction left; returns at once."""
        if self._left:
            self._left = False
            self._due.set()

    async def sweep(self) -> None:
        """Go on with releases that are not finished, of any process, until cancelled."""
        outage = Outage("the sweep of releases")
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), SWEEP_SECONDS)
            self._due.clear()
            try:
                if await self.sweep_once():
                    self._due.set()
                outage.ends()
            except psycopg.Error as error:
                outage.begins(error)

    async def sweep_once(self) -> bool:
        """End holds whose time is over, and do a step of some releases; tell whether one succeeded.

        Raises psycopg.Error.
        """
        now = time.monotonic()
        resting = [product_id for product_id, rest in self._rests.items() if rest.until > now]
        async with self._pool.connection() as connection:
            await connection.execute(QUERIES.end_holds)
            rows = await (await connection.execute(QUERIES.unfinished_releases, {"resting": resting})).fetchall()
        traceparent = trace_context.from_metadata(None).traceparent
        done = False
        for after in sorted({after for _, after in rows}):
            together = [product_id for product_id, at in rows if at == after]
            if await self._try(together, after, traceparent):
                done = True
            elif len(together) > 1:
                done |= any([await self._try([product_id], after, traceparent) for product_id in together])
        return done

    async def _try(self, product_ids: Sequence[str], after: int, traceparent: str) -> bool:
        """Release some orders; False when that failed. A product that failed alone is logged, and rests for a while."""
        try:
            released = await self._step(product_ids, after, traceparent, MAX_ORDERS)
        except Exception as error:
            if len(product_ids) == 1:
                self._rest(product_ids[0], error)
            return False
        for product_id in product_ids:
            self._rests.pop(product_id, None)
        if released:
            self._doorbell.ring()
        return True

    def _rest(self, product_id: str, error: Exception) -> None:
        known = self._rests.get(product_id)
        failures = known.failures + 1 if known else 1
        self._rests[product_id] = Rest(failures, time.monotonic() + BACKOFF.delay_seconds(failures))
        logger().warning("a release has to wait", product_id=product_id, error=str(error).strip())

    async def _step(self, product_ids: Sequence[str], after: int, traceparent: str, limit: int) -> int:
        """Release some orders; one that cannot be stored is found by halving and skipped."""
        try:
            return await transactions.write(
                self._pool, lambda connection: self._release(connection, product_ids, after, traceparent, limit)
            )
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if limit > 1:
                return await self._step(product_ids, after, traceparent, limit // 2)
            return await self._skip(product_ids, after, error)

    async def _skip(self, product_ids: Sequence[str], after: int, reason: psycopg.Error) -> int:
        """Go on after an order that cannot be released."""
        async with self._pool.connection() as connection:
            parameters = {"product_ids": list(product_ids), "after": after}
            row = await (await connection.execute(QUERIES.skip_release, parameters)).fetchone()
        if row is not None:
            logger().error("an order cannot be released", order_id=row[0], error=str(reason).strip())
        return 0

    async def _release(
        self,
        connection: Connection,
        product_ids: Sequence[str],
        after: int,
        traceparent: str,
        limit: int = MAX_ORDERS,
    ) -> int:
        """Release some orders and note where to go on; return how many."""
        found = await waiting_orders(connection, product_ids, after, limit)
        stocks = await lock_stocks(connection, [*product_ids, *(product for each in found for product in each.needs)])
        step = await self._give(connection, product_ids, after, stocks, traceparent, limit)
        await write_stocks(connection, stocks)
        parameters = {"product_ids": list(product_ids), "after": after, "going_on": step.going_on, "last": step.last}
        await connection.execute(QUERIES.move_release, parameters)
        await self.begin(connection, step.due)
        return step.released

    async def _give(
        self,
        connection: Connection,
        product_ids: Sequence[str],
        after: int,
        stocks: dict[str, Stock],
        traceparent: str,
        limit: int,
    ) -> Step:
        """Give free stock to those who wait, by their places."""
        # Read again under the lock: an order that began to wait before it must not be forgotten.
        found = await waiting_orders(connection, product_ids, after, limit)
        reached = list(takewhile(lambda each: each.needs.keys() <= stocks.keys(), found))
        stored = await lock_waiting(connection, [each.order_id for each in reached])
        waiting = [each for each in reached if each.order_id in stored]
        now_us = self._clock.now_us()
        fits = allocation.release(stocks, waiting, product_ids, now_us)
        released = [stored[each.order_id] for each, fit in zip(waiting, fits, strict=True) if fit]
        await self._write(connection, released, traceparent)
        all_seen = len(reached) == len(found) < limit
        return Step(
            released=len(released),
            going_on=[]
            if all_seen
            else [p for p in product_ids if stocks[p].left_for(allocation.LAST_POSITION, now_us) > 0],
            last=reached[-1].position if reached else after,
            # Those who wait for another product get what is held there no longer.
            due=[name for name, stock in stocks.items() if stock.hold_ended and name not in product_ids],
        )

    async def _write(self, connection: Connection, released: Sequence[StoredOrder], traceparent: str) -> None:
        if not released:
            return
        stepped = step_events(released, CREATED, self._clock.now_us(len(released)), traceparent)
        order_ids = arrays.plain([order.order_id for order in released])
        occur_us = arrays.plain([event.occur_us for event in stepped])
        await connection.execute(QUERIES.step_released_orders, {"order_ids": order_ids, "occur_us": occur_us})
        await connection.execute(QUERIES.delete_waiting, {"order_ids": order_ids})
        await connection.execute(QUERIES.insert_events, insert_orders.event_parameters(stepped))


async def waiting_orders(connection: Connection, product_ids: Sequence[str], after: int, limit: int) -> list[Waiting]:
    """Return some of the orders that wait for some products, by their places."""
    parameters = {"product_ids": list(product_ids), "after": after, "limit": limit}
    cursor = await connection.execute(QUERIES.waiting_candidates, parameters)
    found: dict[str, Waiting] = {}
    for position, order_id, product, quantity, arrivals_before in await cursor.fetchall():
        order = found.setdefault(order_id, Waiting(position, order_id, {}, {}))
        order.needs[product] = quantity
        order.arrivals_before[product] = arrivals_before
    return list(found.values())


async def lock_waiting(connection: Connection, order_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Lock those of the orders that still wait."""
    if not order_ids:
        return {}
    cursor = await connection.execute(QUERIES.lock_waiting_orders, {"order_ids": arrays.plain(order_ids)})
    return {row[0]: stored_order(row) for row in await cursor.fetchall()}
