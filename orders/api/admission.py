"""Bounds the orders that a process has in hand; the handler's first line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from prometheus_client import Counter

from runtime.errors import Expired, Overloaded
from runtime.telemetry import metrics

# An order in a batch takes about an eighth of the work of a call of its own.
BATCHED_PER_CALL = 8
# One gRPC engine says None for "no deadline", another a number of centuries.
NO_DEADLINE_SECONDS = 1e9


class Admission:
    """Admits up to a number of calls at a time and refuses the rest at once, before any work is done for them."""

    def __init__(self, max_in_hand: int, refused: Counter = metrics.ORDERS_REFUSED) -> None:
        self._max_in_hand = max_in_hand
        self._refused = refused
        self._in_hand = 0

    @contextmanager
    def admit(self, orders: int, time_remaining: float | None) -> Iterator[None]:
        """Hold places for a call with so many orders. Raises Overloaded or Expired."""
        if time_remaining is not None and time_remaining <= 0:
            raise Expired
        places = 1 + (orders - 1) // BATCHED_PER_CALL
        # A batch above the bound is let in when it is alone.
        if self._in_hand and self._in_hand + places > self._max_in_hand:
            self._refused.inc(orders)
            raise Overloaded
        self._in_hand += places
        try:
            yield
        finally:
            self._in_hand -= places


def time_remaining(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the seconds until the call's deadline, None when it has none."""
    remaining = context.time_remaining()
    return remaining if remaining is not None and remaining < NO_DEADLINE_SECONDS else None
