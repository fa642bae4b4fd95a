"""ProcessService: how one process of a service is, for the status of the whole; served beside its other services."""

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

from runtime.postgres.connections import connect, connect_async
from runtime.telemetry.call_durations import CALL_TIMES

LOOK_SECONDS = 0.75
LOST = (psycopg.Error, PoolTimeout, TimeoutError)
# Its connections set nothing for the session, which a pooler would refuse.
PROBE = "ordermesh-probe"
# Is on for a standby too, whatever its default is.
READ_ONLY = "SELECT current_setting('transaction_read_only')::bool"


def answer(draining: bool, database_problem: str) -> GetProcessHealthResponse:
    """Return what is known of this process."""
    calls = CALL_TIMES.recent()
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
    """Raise the error that a write would end with, where the server takes none."""
    if row == (True,):
        raise psycopg.errors.ReadOnlySqlTransaction("read-only: the server takes no writes")


def words(error: BaseException) -> str:
    """Say in one line why a database cannot be used."""
    if isinstance(error, TimeoutError):
        return f"no answer within {LOOK_SECONDS:g} s"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class AsyncProcess(process_pb2_grpc.ProcessServiceServicer):
    """Answers on an event loop."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], dsn: str, stop: asyncio.Event) -> None:
        self._pool = pool
        self._dsn = dsn
        self._stop = stop

    async def GetProcessHealth(self, request: GetProcessHealthRequest, context: Any) -> GetProcessHealthResponse:
        """Return how this process is."""
        return answer(self._stop.is_set(), await self._problem())

    async def _problem(self) -> str:
        """Look at the database: through the pool, and beside it where its connections are all in use or lost."""
        if await self._fails(self._through_pool) is None:
            return ""
        error = await self._fails(self._beside_pool)
        return "" if error is None else words(error)

    async def _fails(self, look: Callable[[], Awaitable[None]]) -> BaseException | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await look()
        except LOST as error:
            return error
        return None

    async def _through_pool(self) -> None:
        async with self._pool.connection(LOOK_SECONDS) as connection:
            refuse_read_only(await (await connection.execute(READ_ONLY)).fetchone())

    async def _beside_pool(self) -> None:
        async with await connect_async(self._dsn, PROBE, "transaction") as connection:
            refuse_read_only(await (await connection.execute(READ_ONLY)).fetchone())


class SyncProcess(process_pb2_grpc.ProcessServiceServicer):
    """Answers on threads."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection[Any]], dsn: str, stop: threading.Event) -> None:
        self._pool = pool
        self._dsn = dsn
        self._stop = stop
        # Connecting takes two seconds at least to give up, which is longer than is waited for here.
        self._connecting = ThreadPoolExecutor(1, thread_name_prefix="database-probe")

    def GetProcessHealth(
        self, request: GetProcessHealthRequest, context: grpc.ServicerContext
    ) -> GetProcessHealthResponse:
        """Return how this process is."""
        return answer(self._stop.is_set(), self._problem())

    def _problem(self) -> str:
        try:
            with self._pool.connection(LOOK_SECONDS) as connection:
                refuse_read_only(connection.execute(READ_ONLY).fetchone())
        except LOST:
            connecting = self._connecting.submit(self._beside_pool)
            try:
                connecting.result(LOOK_SECONDS)
            except LOST as error:
                connecting.cancel()
                return words(error)
        return ""

    def _beside_pool(self) -> None:
        with connect(self._dsn, PROBE, "transaction") as connection:
            refuse_read_only(connection.execute(READ_ONLY).fetchone())
