"""Wakes the publishers after a commit, on a connection of its own and not more often than helps."""

from __future__ import annotations

import asyncio

import psycopg

from orders.store.queries import QUERIES
from runtime.postgres.connections import asks_for_primary, connect_async, is_read_only
from runtime.postgres.pooler import Pooler

# A NOTIFY costs the server about as much as publishing one event; publishers poll every 250 ms anyway.
MIN_INTERVAL_SECONDS = 0.02
RETRY_SECONDS = 0.5


class Doorbell:
    """Sends NOTIFY when rung; several rings within the interval are one."""

    def __init__(self, dsn: str, pooler: Pooler = "none") -> None:
        self._dsn = dsn
        self._pooler = pooler
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Ask for a wake-up; returns at once."""
        self._rung.set()

    async def run(self) -> None:
        """Serve rings until cancelled; a database that is away only delays them."""
        wants_primary = asks_for_primary(self._dsn)
        while True:
            try:
                async with await connect_async(self._dsn, "ordermesh-doorbell", self._pooler) as connection:
                    # The publishers are at the primary: nobody would hear it elsewhere.
                    while not (wants_primary and is_read_only(connection)):
                        await self._rung.wait()
                        self._rung.clear()
                        await connection.execute(QUERIES.ring)
                        await asyncio.sleep(MIN_INTERVAL_SECONDS)
            except psycopg.Error:
                await asyncio.sleep(RETRY_SECONDS)
