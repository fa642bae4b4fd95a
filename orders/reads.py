"""Reads of the orders database for clients: with a share of their own, so that they take nothing from the writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg
from psycopg_pool import AsyncConnectionPool

from orders.admission import Admission, time_remaining
from runtime import metrics

Connection = psycopg.AsyncConnection[Any]
Context = grpc.aio.ServicerContext[Any, Any]


class Reads:
    """Admits reads, and lets at most half of the pool's connections work for them at a time."""

    def __init__(self, pool: AsyncConnectionPool[Connection], max_in_hand: int) -> None:
        self._pool = pool
        self._admission = Admission(max_in_hand, metrics.SHED_READS)
        self._turns = asyncio.Semaphore(max(1, pool.max_size // 2))

    @asynccontextmanager
    async def connection(self, rows: int, context: Context) -> AsyncIterator[Connection]:
        """Hold a place for a call that reads so many rows, and a connection. Raises Overloaded or Expired."""
        with self._admission.admit(rows, time_remaining(context)):
            async with self._turns, self._pool.connection() as connection:
                yield connection
