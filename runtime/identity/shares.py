"""Shares of a resource by client: none takes all of it, and the last places are for those that have few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.errors import Overloaded


class Shares:
    """A number of places, of which one client holds at most `per_client`.

    The last quarter is for clients that hold none, so that a few clients with full shares do not lock out the others.
    """

    def __init__(self, places: int, per_client: int) -> None:
        self._places = places
        self._per_client = min(places, per_client)
        self._reserved = places // 4
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """How many places are held."""
        return self._held.total()

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Hold a place for a client. Raises Overloaded when it has its share, or no place is left for it."""
        reserved = self._reserved if self._held[client] else 0
        if self._held[client] >= self._per_client or self.held >= self._places - reserved:
            self._forget(client)
            raise Overloaded
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            self._forget(client)

    def _forget(self, client: str) -> None:
        if not self._held[client]:
            del self._held[client]
