"""Admission control: limits the calls that a process handles at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from prometheus_client import Counter

from runtime.errors import Expired, Overloaded
from runtime.telemetry import metrics

# An order in a batch costs about an eighth of a call.
BATCHED_ORDERS_PER_CALL = 8
# Without a deadline, one gRPC implementation returns None, another a time of centuries.
NO_DEADLINE_SECONDS = 1e9


class Admission:
    """Admits a limited number of calls at a time, and refuses the rest before any work is done for them."""

    def __init__(self, max_in_flight: int, refused: Counter = metrics.ORDERS_REFUSED) -> None:
        self._max_in_flight = max_in_flight
        self._refused = refused
        self._in_flight = 0

    @contextmanager
    def admit(self, orders: int, time_remaining: float | None) -> Iterator[None]:
        """Admit a call with a number of orders until it ends. Raises Overloaded or Expired."""
        if time_remaining is not None and time_remaining <= 0:
            raise Expired
        slots = 1 + (orders - 1) // BATCHED_ORDERS_PER_CALL
        # A batch above the limit is admitted when no other call is in flight.
        if self._in_flight and self._in_flight + slots > self._max_in_flight:
            self._refused.inc(orders)
            raise Overloaded
        self._in_flight += slots
        try:
            yield
        finally:
            self._in_flight -= slots


def wait_until(remaining: float | None, max_seconds: float) -> float:
    """Return when a wait ends, on time.monotonic(): at the deadline of the call, and after `max_seconds` at most."""
    return time.monotonic() + (max_seconds if remaining is None else min(remaining, max_seconds))


def time_remaining(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the seconds until the deadline of a call, None without one."""
    remaining = context.time_remaining()
    return remaining if remaining is not None and remaining < NO_DEADLINE_SECONDS else None
