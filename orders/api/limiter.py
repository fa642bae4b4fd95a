"""Limits concurrent work: calls above the limit wait, clients in turn; those that would wait too long are refused."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

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

    `database_answers` decides whether a call that timed out is Overloaded or Unavailable.
    """

    max_concurrent: int
    max_waiting: int
    database_answers: Callable[[], Awaitable[bool]]


class FairSlots:
    """Slots that waiting clients get in turn, each in the order of its calls: the calls of one do not delay another."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def locked(self) -> bool:
        """Return whether a call would have to wait."""
        return not self._free

    async def acquire(self, client: str) -> None:
        """Take a slot, when it is the client's turn."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a slot to the next client that waits."""
        while self._waiting:
            client, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            del self._waiting[client]
            if turns:
                self._waiting[client] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Limiter:
    """Admits a limited number of calls at a time, and refuses at once those that would wait beyond their deadline.

    The last quarter of the places to wait is for clients of which no call waits.
    """

    def __init__(self, limits: Limits, duration: MeanDuration) -> None:
        self._limits = limits
        self._duration = duration
        self._slots = FairSlots(limits.max_concurrent)
        self._waiting: Counter[str] = Counter()
        self._waiting_cost: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return self._waiting.total()

    @asynccontextmanager
    async def acquire(self, until: float, cost: int = 1, client: str = "") -> AsyncIterator[None]:
        """Hold a slot, acquired before a time on time.monotonic(). Raises Overloaded or Unavailable."""
        if self._slots.locked():
            await self._wait(until, cost, client)
        else:
            await self._slots.acquire(client)
        started = time.monotonic()
        try:
            yield
        finally:
            self._slots.release()
            self._duration.observe((time.monotonic() - started) / cost)

    def _expected_seconds(self, cost: int, client: str) -> float:
        """Return how long a call would wait: of each other client, no more comes first than of its own."""
        own = self._waiting_cost[client]
        others = (min(each, own + cost) for name, each in self._waiting_cost.items() if name != client)
        return (own + sum(others)) * self._duration.seconds / self._limits.max_concurrent

    async def _wait(self, until: float, cost: int, client: str) -> None:
        reserved = self._limits.max_waiting // 4 if client and self._waiting[client] else 0
        too_many = self.waiting >= self._limits.max_waiting - reserved
        if too_many or (self.waiting and time.monotonic() + self._expected_seconds(cost, client) > until):
            self._forget(client)
            raise Overloaded
        self._waiting[client] += 1
        self._waiting_cost[client] += cost
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._slots.acquire(client)
        except TimeoutError:
            raise Overloaded if await self._limits.database_answers() else database_unavailable() from None
        finally:
            self._waiting[client] -= 1
            self._waiting_cost[client] -= cost
            self._forget(client)

    def _forget(self, client: str) -> None:
        if not self._waiting[client]:
            del self._waiting[client], self._waiting_cost[client]


class KeyedLimiter:
    """A limiter for each key; the limiter of a key that nobody uses is removed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._duration = MeanDuration()
        self._limiters: dict[str, Limiter] = {}
        self._users: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return sum(limiter.waiting for limiter in self._limiters.values())

    @asynccontextmanager
    async def acquire(self, key: str, until: float, client: str = "") -> AsyncIterator[None]:
        """Hold a slot of a key; raises as `Limiter.acquire` does."""
        limiter = self._limiters.setdefault(key, Limiter(self._limits, self._duration))
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with limiter.acquire(until, client=client):
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._limiters[key]
