"""Which calls are retried, and after how long.

gRPC's own retries (the retryPolicy of a service config) depend on the code alone: they ignore the retry delay that the
server sends. So the client has a loop of its own.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from ordermesh_client.errors import OrdermeshError, Overloaded, Unavailable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts and backoff: pauses double from the first to the longest, half of each random."""

    attempts: int = 5
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 2.0

    def pause_seconds(self, attempt: int) -> float:
        """Return the pause after the attempt with this number (1, 2, ...)."""
        whole = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


NEVER = RetryPolicy(attempts=1)


class Attempts:
    """The attempts at one call: their number and their common deadline."""

    def __init__(self, policy: RetryPolicy, timeout_seconds: float | None) -> None:
        self._policy = policy
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._made = 0

    def remaining_seconds(self) -> float | None:
        """Return the time left until the deadline; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def reset(self) -> None:
        """Count from one again: the call made progress."""
        self._made = 0

    def pause_after(self, error: OrdermeshError) -> float:
        """Return the seconds to wait before the next attempt; raise the error when there is no next attempt."""
        self._made += 1
        error.attempts = self._made
        pause = max(self._policy.pause_seconds(self._made), error.retry_after_seconds or 0.0)
        remaining = self.remaining_seconds()
        too_late = remaining is not None and pause >= remaining
        if too_late or self._made >= self._policy.attempts or not is_retryable(error):
            raise error
        return pause


def is_retryable(error: OrdermeshError) -> bool:
    """Return whether another attempt may succeed. It is safe: every call that changes something has a request id."""
    if isinstance(error, Overloaded):
        return error.retry_after_seconds is not None
    return isinstance(error, Unavailable)
