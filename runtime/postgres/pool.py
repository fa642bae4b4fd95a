"""A connection pool that distinguishes a busy database from an unreachable one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.sqlstates import PoolBusy

PROBE_SECONDS = 2.0
# Concurrent callers share one probe, and a connection that was just returned in order replaces it.
FRESH_SECONDS = 2.0


class Pool(AsyncConnectionPool[AsyncConnection]):
    """Counts connections in use: when all are, a timeout raises PoolBusy, a subclass of PoolTimeout."""

    def __init__(self, dsn: str, connect: Callable[[], Awaitable[AsyncConnection]], **options: Any) -> None:
        """`connect` opens a connection outside the pool."""
        super().__init__(dsn, **options)
        self._connect_outside = connect
        self._in_use = 0
        self._probe: asyncio.Task[bool] | None = None
        self._probed_at = self._worked_at = float("-inf")

    @property
    def in_use(self) -> int:
        """How many connections are in use."""
        return self._in_use

    @property
    def idle(self) -> int:
        """How many connections are open and free."""
        return int(self.get_stats()["pool_available"])

    @property
    def waiting(self) -> int:
        """How many calls wait for a connection."""
        return int(self.get_stats()["requests_waiting"])

    async def getconn(self, timeout: float | None = None) -> AsyncConnection:  # noqa: ASYNC109  # as the pool has it
        """Return a connection; `putconn` returns it to the pool. Raises PoolTimeout."""
        try:
            connection = await super().getconn(timeout)
        except PoolTimeout as error:
            if self._in_use >= self.max_size and await self.answers():
                raise PoolBusy("all connections are in use") from error
            raise
        self._in_use += 1
        return connection

    async def putconn(self, conn: AsyncConnection) -> None:
        """Return a connection to the pool."""
        self._in_use -= 1
        if not conn.closed:
            self._worked_at = time.monotonic()
        await super().putconn(conn)

    async def answers(self) -> bool:
        """Return whether the database answered on a connection, or accepts a new one, now or within FRESH_SECONDS."""
        fresh = time.monotonic() - FRESH_SECONDS
        if self._worked_at > fresh:
            return True
        if self._probe is None or (self._probe.done() and self._probed_at < fresh):
            self._probe = asyncio.create_task(self._can_connect())
        return await asyncio.shield(self._probe)

    async def _can_connect(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await self._connect_outside()
                await connection.close()
        except (psycopg.Error, TimeoutError):
            return False
        finally:
            self._probed_at = time.monotonic()
        return True
