"""Limits concurrent work: calls above the limit wait in order, and those that would wait too long are refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Counter

from runtime.errors import Overloaded, database_unavailable

SMOOTHING = 1 / 8
# About the duration of a transaction of a few statements.
INITIAL_SECONDS = 0.01


@dataclass(slots=True)
class MeanDuration:
    """The moving average of the duration of work of cost 1."""

    seconds: float = INITIAL_SECONDS

    def observe(self, seconds: float) -> None:
        """Add a duration to the average."""
        self.seconds += (seconds - self.seconds) * SMOOTHING


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls may work and how many may wait at a time.

    `refused` counts refusals. `database_answers` decides whether a call that timed out is Overloaded or Unavailable.
    """

    max_concurrent: int
    max_waiting: int
    refused: Counter
    database_answers: Callable[[], Awaitable[bool]]


class Limiter:
    """Admits a limited number of calls at a time, and refuses at once those that would wait beyond their deadline."""

    def __init__(self, limits: Limits, duration: MeanDuration) -> None:
        self._limits = limits
        self._duration = duration
        self._slots = asyncio.Semaphore(limits.max_concurrent)
        self._waiting = 0
        self._waiting_cost = 0

    @asynccontextmanager
    async def acquire(self, until: float, cost: int = 1) -> AsyncIterator[None]:
        """Hold a slot, acquired before a time on time.monotonic(). Raises Overloaded or Unavailable."""
        if self._slots.locked():
            await self._wait(until, cost)
        else:
            await self._slots.acquire()
        started = time.monotonic()
        try:
            yield
        finally:
            self._slots.release()
            self._duration.observe((time.monotonic() - started) / cost)

    async def _wait(self, until: float, cost: int) -> None:
        expected = self._waiting_cost * self._duration.seconds / self._limits.max_concurrent
        if self._waiting >= self._limits.max_waiting or (self._waiting and time.monotonic() + expected > until):
            self._limits.refused.inc()
            raise Overloaded
        self._waiting += 1
        self._waiting_cost += cost
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._slots.acquire()
        except TimeoutError:
            self._limits.refused.inc()
            raise Overloaded if await self._limits.database_answers() else database_unavailable() from None
        finally:
            self._waiting -= 1
            self._waiting_cost -= cost


class KeyedLimiter:
    """A limiter for each key; the limiter of a key that nobody uses is removed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._duration = MeanDuration()
        self._limiters: dict[str, Limiter] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def acquire(self, key: str, until: float) -> AsyncIterator[None]:
        """Hold a slot of a key; raises as `Limiter.acquire` does."""
        limiter = self._limiters.setdefault(key, Limiter(self._limits, self._duration))
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with limiter.acquire(until):
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._limiters[key]
