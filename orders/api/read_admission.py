"""Admits reads of clients to a share of the database connections, so that they do not delay writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc

from orders.api.admission import time_remaining, wait_until
from orders.api.limiter import Limiter, Limits, MeanDuration
from orders.api.order_pages import SLICE_ORDERS
from runtime.errors import Expired
from runtime.identity.client_key import client_key
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.pool import Pool

Context = grpc.aio.ServicerContext[Any, Any]
# The longest wait for a connection, for calls without an earlier deadline.
MAX_WAIT_SECONDS = 10.0


class ReadAdmission:
    """Admits reads to at most half of the pool's connections; a limited number of others wait.

    A waiting call holds nothing but its request, so at most as many pages are in memory as reads are admitted. Reads
    of more than a slice of a page leave one of these connections to shorter ones.
    """

    def __init__(self, pool: Pool, max_waiting: int) -> None:
        self._pool = pool
        limits = Limits(max(1, pool.max_size // 2), max_waiting, pool.answers)
        self._limiter = Limiter(limits, MeanDuration())
        self._long_limiter = Limiter(replace(limits, max_concurrent=max(1, limits.max_concurrent - 1)), MeanDuration())

    @property
    def waiting(self) -> int:
        """How many reads wait."""
        return self._limiter.waiting + self._long_limiter.waiting

    @asynccontextmanager
    async def connection(self, rows: int, context: Context) -> AsyncIterator[AsyncConnection]:
        """Hold a connection for a call that reads up to `rows` rows. Raises Overloaded, Unavailable or Expired."""
        remaining = time_remaining(context)
        if remaining is not None and remaining <= 0:
            raise Expired
        until = wait_until(remaining, MAX_WAIT_SECONDS)
        client = client_key(context.invocation_metadata())
        cost = 1 + rows // SLICE_ORDERS
        async with AsyncExitStack() as held:
            if cost > 1:
                await held.enter_async_context(self._long_limiter.acquire(until, cost, client))
            await held.enter_async_context(self._limiter.acquire(until, cost, client))
            yield await held.enter_async_context(self._pool.connection())
