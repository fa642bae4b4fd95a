"""Admission control: limits the calls that a process handles at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from runtime.errors import Expired, Overloaded

# An order in a batch costs about an eighth of a call.
BATCHED_ORDERS_PER_CALL = 8
# Without a deadline, one gRPC implementation returns None, another a time of centuries.
NO_DEADLINE_SECONDS = 1e9


class Admission:
    """Admits a limited number of calls at a time, and refuses the rest before any work is done for them.

    The last quarter is for clients of which no call is in progress; calls that name no client are not limited by it.
    """

    def __init__(self, max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self._of_client: dict[str, int] = {}

    @contextmanager
    def admit(self, orders: int, time_remaining: float | None, client: str = "") -> Iterator[None]:
        """Admit a call with a number of orders until it ends. Raises Overloaded or Expired."""
        if time_remaining is not None and time_remaining <= 0:
            raise Expired
        slots = 1 + (orders - 1) // BATCHED_ORDERS_PER_CALL
        own = self._of_client.get(client, 0)
        most = self.max_in_flight - (self.max_in_flight // 4 if own and client else 0)
        # A batch above the limit is admitted when no other call is in flight.
        if self.in_flight and self.in_flight + slots > most:
            raise Overloaded
        self.in_flight += slots
        self._of_client[client] = own + slots
        try:
            yield
        finally:
            self.in_flight -= slots
            self._leave(client, slots)

    def _leave(self, client: str, slots: int) -> None:
        left = self._of_client[client] - slots
        if left:
            self._of_client[client] = left
        else:
            del self._of_client[client]


def wait_until(remaining: float | None, max_seconds: float) -> float:
    """Return when a wait ends, on time.monotonic(): at the deadline of the call, and after `max_seconds` at most."""
    return time.monotonic() + (max_seconds if remaining is None else min(remaining, max_seconds))


def time_remaining(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the seconds until the deadline of a call, None without one."""
    remaining = context.time_remaining()
    return remaining if remaining is not None and remaining < NO_DEADLINE_SECONDS else None
