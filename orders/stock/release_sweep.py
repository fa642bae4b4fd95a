"""Continues scheduled backorder releases in the background, with a backoff for each product whose release fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg_pool import AsyncConnectionPool

from orders.outbox.notifier import Notifier
from orders.stock.backorder_release import MAX_ORDERS, BackorderReleases
from orders.store.queries import QUERIES
from runtime.backoff import Backoff
from runtime.postgres import transactions
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry import trace_context
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

SWEEP_SECONDS = 1.0
BACKOFF = Backoff(first_seconds=1.0, max_seconds=60.0)


@dataclass(slots=True)
class Deferral:
    """How often in a row the release of a product failed, and when on time.monotonic() it is retried."""

    failures: int
    until: float


class ReleaseSweep:
    """Continues the releases that any process scheduled."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], releases: BackorderReleases, notifier: Notifier
    ) -> None:
        self._pool = pool
        self._releases = releases
        self._notifier = notifier
        self._deferrals: dict[str, Deferral] = {}

    async def run(self) -> None:
        """Sweep every second, and at once when a release is due, until cancelled."""
        outage = Outage("backorder release")
        due = self._releases.due
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(due.wait(), SWEEP_SECONDS)
            due.clear()
            try:
                if await self.run_once():
                    due.set()
                outage.ends()
            except psycopg.Error as error:
                outage.begins(error)

    async def run_once(self) -> bool:
        """End expired holds and continue some releases; return whether one succeeded. Raises psycopg.Error."""
        now = time.monotonic()
        deferred = [product_id for product_id, deferral in self._deferrals.items() if deferral.until > now]
        async with self._pool.connection() as connection:
            await connection.execute(QUERIES.expire_holds)
            cursor = await connection.execute(QUERIES.scheduled_releases, {"deferred": deferred})
            scheduled = await cursor.fetchall()
        traceparent = trace_context.from_metadata(None).traceparent
        succeeded = False
        for after in sorted({after for _, after in scheduled}):
            together = [product_id for product_id, position in scheduled if position == after]
            if await self._try(together, after, traceparent):
                succeeded = True
            elif len(together) > 1:
                succeeded |= any([await self._try([product_id], after, traceparent) for product_id in together])
        return succeeded

    async def _try(self, product_ids: Sequence[str], after: int, traceparent: str) -> bool:
        """Continue the release of products and return whether it succeeded; a product that fails alone backs off."""
        try:
            released = await self._continue(product_ids, after, traceparent, MAX_ORDERS)
        except Exception as error:
            if len(product_ids) == 1:
                self._defer(product_ids[0], error)
            return False
        for product_id in product_ids:
            self._deferrals.pop(product_id, None)
        if released:
            self._notifier.notify()
        return True

    def _defer(self, product_id: str, error: Exception) -> None:
        known = self._deferrals.get(product_id)
        failures = known.failures + 1 if known else 1
        seconds = BACKOFF.delay_seconds(failures)
        self._deferrals[product_id] = Deferral(failures, time.monotonic() + seconds)
        logger().warning(
            "backorder release failed, will retry",
            product_id=product_id,
            backoff_seconds=seconds,
            error=error,
        )

    async def _continue(self, product_ids: Sequence[str], after: int, traceparent: str, limit: int) -> int:
        """Release some backorders; bisect to an order that the database refuses, and skip it."""
        try:
            return await transactions.write(
                self._pool,
                lambda connection: self._releases.continue_release(connection, product_ids, after, traceparent, limit),
            )
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if limit > 1:
                return await self._continue(product_ids, after, traceparent, limit // 2)
            return await self._skip(product_ids, after, error)

    async def _skip(self, product_ids: Sequence[str], after: int, reason: psycopg.Error) -> int:
        """Continue behind a backorder that cannot be released."""
        async with self._pool.connection() as connection:
            parameters = {"product_ids": list(product_ids), "after": after}
            row = await (await connection.execute(QUERIES.skip_backorder, parameters)).fetchone()
        if row is not None:
            logger().error("backorder skipped: it cannot be released", order_id=row[0], error=reason)
        return 0
