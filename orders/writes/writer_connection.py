"""The database connection of a writer, which also keeps the clock of the process up to date."""

from __future__ import annotations

import time

import psycopg

from orders.domain.clock import DatabaseClock
from orders.store.queries import QUERIES
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.connections import connect_async
from runtime.postgres.pooler import Pooler

CHECK_AFTER_IDLE_SECONDS = 1.0
# The first reply on a connection is slow, and narrows the clock's bounds little.
INITIAL_CLOCK_READINGS = 3


class WriterConnection:
    """Connects when needed, and again after the connection was lost."""

    def __init__(self, dsn: str, process: str, clock: DatabaseClock, pooler: Pooler) -> None:
        self._dsn = dsn
        self._process = process
        self._clock = clock
        self._pooler = pooler
        self._connection: AsyncConnection | None = None
        self._used_at = 0.0

    async def get(self) -> AsyncConnection:
        """Return an open connection, which was checked after an idle time. Raises psycopg.OperationalError."""
        if self._connection is not None and time.monotonic() - self._used_at > CHECK_AFTER_IDLE_SECONDS:
            await self._check(self._connection)
        if self._connection is None or self._connection.closed:
            application = f"ordermesh-{self._process}"
            self._connection = await connect_async(self._dsn, application, self._pooler, hot=True)
            for _ in range(INITIAL_CLOCK_READINGS):
                await self._read_clock(self._connection)
        self._used_at = time.monotonic()
        return self._connection

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()

    async def _check(self, connection: AsyncConnection) -> None:
        """Read the clock on an idle connection, and close it when it is broken."""
        try:
            await self._read_clock(connection)
        except psycopg.Error:
            await connection.close()

    async def _read_clock(self, connection: AsyncConnection) -> None:
        """Read the database's time into the clock."""
        sent_at = time.monotonic()
        cursor = await connection.execute(QUERIES.read_clock)
        row = await cursor.fetchone()
        if row:
            self._clock.learn(row[0], sent_at, time.monotonic())
