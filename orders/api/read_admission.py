"""Reads of the orders database for clients: with a share of their own, so that they take nothing from the writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg

from orders.api.admission import time_remaining
from orders.api.limiter import Limits, Pace, Turns
from orders.api.order_pages import SLICE_ORDERS
from runtime.errors import Expired
from runtime.postgres.pool import Pool
from runtime.telemetry import metrics

Connection = psycopg.AsyncConnection[Any]
Context = grpc.aio.ServicerContext[Any, Any]
# A read without a deadline waits for so long.
PATIENCE_SECONDS = 10.0


class Reads:
    """Lets at most half of the pool's connections work for reads at a time; so many others wait for their turn.

    Who waits holds nothing but its request, so that the pages in memory are as few as the turns.
    """

    def __init__(self, pool: Pool, max_waiting: int) -> None:
        self._pool = pool
        limits = Limits(max(1, pool.max_size // 2), max_waiting, metrics.READS_REFUSED, pool.answers)
        self._turns = Turns(limits, Pace())

    @asynccontextmanager
    async def connection(self, rows: int, context: Context) -> AsyncIterator[Connection]:
        """Hold a connection for a call that reads up to so many rows. Raises Overloaded, Unavailable or Expired."""
        remaining = time_remaining(context)
        if remaining is not None and remaining <= 0:
            raise Expired
        until = time.monotonic() + (PATIENCE_SECONDS if remaining is None else min(remaining, PATIENCE_SECONDS))
        async with self._turns.take(until, 1 + rows // SLICE_ORDERS), self._pool.connection() as connection:
            yield connection
