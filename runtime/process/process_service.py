"""ProcessService: the health of one process of a service; each serving process implements it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psycopg
from ordermesh.internal.v1 import process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthRequest, GetProcessHealthResponse
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from runtime.postgres.connection_types import AsyncConnection, Connection
from runtime.postgres.connections import connect, connect_async
from runtime.telemetry.metrics.call_durations import CALL_DURATIONS

DATABASE_CHECK_SECONDS = 0.75
DATABASE_ERRORS = (psycopg.Error, PoolTimeout, TimeoutError)
# Its connections set no session parameters, which a pooler would refuse.
PROBE = "ordermesh-probe"
# Is on on a standby too, whatever the default is.
READ_ONLY = "SELECT current_setting('transaction_read_only')::bool"


def process_health(draining: bool, database_problem: str) -> GetProcessHealthResponse:
    """Return the response for this process."""
    calls = CALL_DURATIONS.recent()
    return GetProcessHealthResponse(
        calls=calls.calls,
        refused=calls.refused,
        failed=calls.failed,
        p50_ms=calls.percentile_ms(0.5),
        p99_ms=calls.percentile_ms(0.99),
        draining=draining,
        database_problem=database_problem,
    )


def refuse_read_only(row: tuple[Any, ...] | None) -> None:
    """Raise the error that a write would raise when the server is read-only."""
    if row == (True,):
        raise psycopg.errors.ReadOnlySqlTransaction("read-only: the server accepts no writes")


def describe(error: BaseException) -> str:
    """Return a line that explains why a database cannot be used."""
    if isinstance(error, TimeoutError):
        return f"no answer within {DATABASE_CHECK_SECONDS:g} s"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class AsyncProcessService(process_pb2_grpc.ProcessServiceServicer):
    """ProcessService on an event loop."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dsn: str, stop: asyncio.Event) -> None:
        self._pool = pool
        self._dsn = dsn
        self._stop = stop

    async def GetProcessHealth(self, request: GetProcessHealthRequest, context: Any) -> GetProcessHealthResponse:
        """Return the health of this process."""
        return process_health(self._stop.is_set(), await self._problem())

    async def _problem(self) -> str:
        """Query the database through the pool, and on a new connection where all of the pool's are in use or lost."""
        if await self._error_of(self._through_pool) is None:
            return ""
        error = await self._error_of(self._on_new_connection)
        return "" if error is None else describe(error)

    async def _error_of(self, query: Callable[[], Awaitable[None]]) -> BaseException | None:
        try:
            async with asyncio.timeout(DATABASE_CHECK_SECONDS):
                await query()
        except DATABASE_ERRORS as error:
            return error
        return None

    async def _through_pool(self) -> None:
        async with self._pool.connection(DATABASE_CHECK_SECONDS) as connection:
            refuse_read_only(await (await connection.execute(READ_ONLY)).fetchone())

    async def _on_new_connection(self) -> None:
        async with await connect_async(self._dsn, PROBE, "transaction") as connection:
            refuse_read_only(await (await connection.execute(READ_ONLY)).fetchone())


class SyncProcessService(process_pb2_grpc.ProcessServiceServicer):
    """ProcessService on threads."""

    def __init__(self, pool: ConnectionPool[Connection], dsn: str, stop: threading.Event) -> None:
        self._pool = pool
        self._dsn = dsn
        self._stop = stop
        # Connecting times out after two seconds or more, longer than the check may take.
        self._connecting = ThreadPoolExecutor(1, thread_name_prefix="database-probe")

    def GetProcessHealth(
        self, request: GetProcessHealthRequest, context: grpc.ServicerContext
    ) -> GetProcessHealthResponse:
        """Return the health of this process."""
        return process_health(self._stop.is_set(), self._problem())

    def _problem(self) -> str:
        try:
            with self._pool.connection(DATABASE_CHECK_SECONDS) as connection:
                refuse_read_only(connection.execute(READ_ONLY).fetchone())
        except DATABASE_ERRORS:
            connecting = self._connecting.submit(self._on_new_connection)
            try:
                connecting.result(DATABASE_CHECK_SECONDS)
            except DATABASE_ERRORS as error:
                connecting.cancel()
                return describe(error)
        return ""

    def _on_new_connection(self) -> None:
        with connect(self._dsn, PROBE, "transaction") as connection:
            refuse_read_only(connection.execute(READ_ONLY).fetchone())
