"""Bounds the orders that a process has in hand; the handler's first line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runtime import metrics
from runtime.errors import Expired, Overloaded


class Admission:
    """Admits up to a number of orders at a time and refuses the rest at once, before any work is done for them."""

    def __init__(self, max_in_hand: int) -> None:
        self._max_in_hand = max_in_hand
        self._in_hand = 0

    @contextmanager
    def admit(self, orders: int, time_remaining: float | None) -> Iterator[None]:
        """Hold places for orders; a batch above the bound is let in when it is alone. Raises Overloaded or Expired."""
        if time_remaining is not None and time_remaining <= 0:
            raise Expired
        if self._in_hand and self._in_hand + orders > self._max_in_hand:
            metrics.SHED.inc(orders)
            raise Overloaded
        self._in_hand += orders
        metrics.ADMITTED.inc(orders)
        try:
            yield
        finally:
            self._in_hand -= orders
            metrics.ADMITTED.dec(orders)
