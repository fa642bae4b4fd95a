"""Notifies the publishers of new events by NOTIFY, on a connection of its own and at a limited rate."""

from __future__ import annotations

import asyncio

import psycopg

from orders.store.queries import OUTBOX
from runtime.backoff import Backoff
from runtime.postgres.connections import asks_for_primary, connect_async, is_read_only
from runtime.postgres.pooler import Pooler

# A NOTIFY costs the server about as much as publishing one event, and publishers poll every 250 ms anyway.
MIN_INTERVAL_SECONDS = 0.02
BACKOFF = Backoff(first_seconds=0.5, max_seconds=2.0)


class Notifier:
    """Sends NOTIFY on request; several requests within the interval send one."""

    def __init__(self, dsn: str, pooler: Pooler = "none") -> None:
        self._dsn = dsn
        self._pooler = pooler
        self._requested = asyncio.Event()

    def notify(self) -> None:
        """Request a notification; returns at once."""
        self._requested.set()

    async def run(self) -> None:
        """Send notifications until cancelled; reconnects after errors of the database."""
        failures = 0
        wants_primary = asks_for_primary(self._dsn)
        while True:
            try:
                async with await connect_async(self._dsn, "ordermesh-notifier", self._pooler) as connection:
                    # Publishers listen at the primary only.
                    while not (wants_primary and is_read_only(connection)):
                        await self._requested.wait()
                        self._requested.clear()
                        await connection.execute(OUTBOX.notify_publishers)
                        failures = 0
                        await asyncio.sleep(MIN_INTERVAL_SECONDS)
            except psycopg.Error:
                failures += 1
                await asyncio.sleep(BACKOFF.delay_seconds(failures))
