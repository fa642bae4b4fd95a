"""When a call is made again, and how long to wait before that.

gRPC's own retries (a service config's retryPolicy) go by the code alone: they do not read the delay that the platform
asks for. So the client loops itself.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from ordermesh_client.errors import OrdermeshError, Overloaded, Unavailable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a call is tried, and the pauses between: doubled from the first to the longest, half of each random."""

    attempts: int = 5
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 2.0

    def pause_seconds(self, attempt: int) -> float:
        """Return the pause after the attempt with this number (1, 2, ...)."""
        whole = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients in time, keeps no secret


NEVER = RetryPolicy(attempts=1)


class Attempts:
    """The attempts at one call: counts them and keeps the time that they may take together."""

    def __init__(self, policy: RetryPolicy, timeout_seconds: float | None) -> None:
        self._policy = policy
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._made = 0

    def remaining_seconds(self) -> float | None:
        """Return the time left, None when it is not bounded."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def begin_anew(self) -> None:
        """Forget the failures: the call made progress."""
        self._made = 0

    def pause_after(self, error: OrdermeshError) -> float:
        """Return the seconds to wait before the next attempt, or raise the error when there is to be none."""
        self._made += 1
        error.attempts = self._made
        pause = max(self._policy.pause_seconds(self._made), error.retry_after_seconds or 0.0)
        remaining = self.remaining_seconds()
        late = remaining is not None and pause >= remaining
        if late or self._made >= self._policy.attempts or not may_repeat(error):
            raise error
        return pause


def may_repeat(error: OrdermeshError) -> bool:
    """Return whether another attempt may help. It does no harm: whatever changes something has a request id."""
    if isinstance(error, Overloaded):
        return error.retry_after_seconds is not None
    return isinstance(error, Unavailable)
