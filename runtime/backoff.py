"""Exponential backoff: how long to wait before something that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass

# An outage of hours has more failures than a float can be doubled.
MAX_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each failure in a row, from `first_seconds` to at most `max_seconds`."""

    first_seconds: float
    max_seconds: float

    def delay_seconds(self, failures: int) -> float:
        """Return the delay after so many failures in a row, 1 or more."""
        return min(self.first_seconds * 2.0 ** min(failures - 1, MAX_DOUBLINGS), self.max_seconds)
