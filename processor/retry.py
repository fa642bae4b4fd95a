"""What a worker does when it cannot go on: how long it waits, and the one line down and the one line up."""

from __future__ import annotations

import time
from collections import deque

import psycopg

from processor.letter_box import LetterNotWritten
from runtime.logging import logger

FIRST_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 2.0
# The transaction lost against another one, or waited too long for its locks: it is right to try again.
CONFLICTS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
)
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, LetterNotWritten)


class Outage:
    """A time in which nothing can be counted."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._wait_seconds = FIRST_WAIT_SECONDS

    def began(self, error: Exception) -> float:
        """Log the first of its errors; return how many seconds to wait, longer each time."""
        if self._since is None:
            self._since = time.monotonic()
            logger().error("counting stopped, it will go on when this is over", error=str(error).strip())
        wait_seconds, self._wait_seconds = self._wait_seconds, min(self._wait_seconds * 2, MAX_WAIT_SECONDS)
        return wait_seconds

    def ended(self) -> None:
        """Log that it is over, when there was one."""
        if self._since is not None:
            logger().info("counting goes on", stopped_seconds=round(time.monotonic() - self._since, 3))
        self._since, self._wait_seconds = None, FIRST_WAIT_SECONDS


class LetterLimit:
    """Lets so many dead letters a minute through; more mean that something is wrong with all of the log."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._parked: deque[tuple[float, int]] = deque()

    def check(self) -> None:
        """Raise LetterNotWritten while the last minute's letters reach the limit; one batch may pass it."""
        minute_ago = time.monotonic() - 60
        while self._parked and self._parked[0][0] < minute_ago:
            self._parked.popleft()
        if sum(letters for _, letters in self._parked) >= self._per_minute:
            raise LetterNotWritten(
                f"more than {self._per_minute} events a minute cannot be counted "
                "(ORDERMESH_PROCESSOR_DEAD_LETTERS_PER_MINUTE): see `ordermesh dlq list`"
            )

    def add(self, letters: int) -> None:
        """Note letters that were written."""
        if letters:
            self._parked.append((time.monotonic(), letters))
