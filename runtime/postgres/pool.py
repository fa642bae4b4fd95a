"""A pool of connections that tells a database which is busy from one that cannot be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.postgres.sqlstates import PoolBusy

LOOK_SECONDS = 2.0
# Many who ask share one look, and need none when a connection came back in order a moment ago.
FRESH_SECONDS = 2.0

Connection = psycopg.AsyncConnection[Any]


class Pool(AsyncConnectionPool[Connection]):
    """Counts the connections that are in use: when all are, waiting in vain is PoolBusy, a kind of PoolTimeout."""

    def __init__(self, dsn: str, connect: Callable[[], Awaitable[Connection]], **options: Any) -> None:
        """`connect` makes a connection beside the pool's."""
        super().__init__(dsn, **options)
        self._connect_beside = connect
        self._in_use = 0
        self._look: asyncio.Task[bool] | None = None
        self._looked_at = self._worked_at = float("-inf")

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  # as the pool has it
        """Return a connection; `putconn` gives it back. Raises PoolTimeout."""
        try:
            connection = await super().getconn(timeout)
        except PoolTimeout as error:
            if self._in_use >= self.max_size and await self.answers():
                raise PoolBusy("all connections are in use") from error
            raise
        self._in_use += 1
        return connection

    async def putconn(self, conn: Connection) -> None:
        """Give a connection back."""
        self._in_use -= 1
        if not conn.closed:
            self._worked_at = time.monotonic()
        await super().putconn(conn)

    async def answers(self) -> bool:
        """Tell whether the database works on a connection, or takes one beside the pool's, now or a moment ago."""
        fresh = time.monotonic() - FRESH_SECONDS
        if self._worked_at > fresh:
            return True
        if self._look is None or (self._look.done() and self._looked_at < fresh):
            self._look = asyncio.create_task(self._connects())
        return await asyncio.shield(self._look)

    async def _connects(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                connection = await self._connect_beside()
                await connection.close()
        except (psycopg.Error, TimeoutError):
            return False
        finally:
            self._looked_at = time.monotonic()
        return True
