"""Turns at something that few can use at a time: others wait in the order they came, and not in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Counter

from runtime.errors import Overloaded, database_unavailable

# One of the last eight works or so tells how long the next will take.
SMOOTHING = 1 / 8
# About a transaction of some statements.
FIRST_GUESS_SECONDS = 0.01


@dataclass(slots=True)
class Pace:
    """How long work of cost 1 takes, on average of the last."""

    seconds: float = FIRST_GUESS_SECONDS

    def learn(self, seconds: float) -> None:
        """Take how long work of cost 1 took just now into the average."""
        self.seconds += (seconds - self.seconds) * SMOOTHING


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may work and wait at a time, where refusals are counted, and whether the database answers at all."""

    at_a_time: int
    max_waiting: int
    refused: Counter
    answers: Callable[[], Awaitable[bool]]


class Turns:
    """Gives turns, and refuses at once those who would have to wait for longer than they can."""

    def __init__(self, limits: Limits, pace: Pace) -> None:
        self._limits = limits
        self._pace = pace
        self._free = asyncio.Semaphore(limits.at_a_time)
        self._waiting = 0
        self._waiting_cost = 0

    @asynccontextmanager
    async def take(self, until: float, cost: int = 1) -> AsyncIterator[None]:
        """Hold a turn for work of some cost, before a time on time.monotonic(). Raises Overloaded or Unavailable."""
        if self._free.locked():
            await self._wait(until, cost)
        else:
            await self._free.acquire()
        started = time.monotonic()
        try:
            yield
        finally:
            self._free.release()
            self._pace.learn((time.monotonic() - started) / cost)

    async def _wait(self, until: float, cost: int) -> None:
        expected = self._waiting_cost * self._pace.seconds / self._limits.at_a_time
        if self._waiting >= self._limits.max_waiting or (self._waiting and time.monotonic() + expected > until):
            self._limits.refused.inc()
            raise Overloaded
        self._waiting += 1
        self._waiting_cost += cost
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._free.acquire()
        except TimeoutError:
            self._limits.refused.inc()
            raise Overloaded if await self._limits.answers() else database_unavailable() from None
        finally:
            self._waiting -= 1
            self._waiting_cost -= cost


class KeyedTurns:
    """Gives turns by key, one at a time for each; a key that nobody uses is forgotten."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pace = Pace()
        self._keys: dict[str, Turns] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def take(self, key: str, until: float) -> AsyncIterator[None]:
        """Hold the turn of a key; raises as `Turns.take` does."""
        turns = self._keys.setdefault(key, Turns(self._limits, self._pace))
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with turns.take(until):
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._keys[key]
