"""How long a worker waits when it cannot go on, and how many letters are too many."""

from __future__ import annotations

import time
from collections import deque

from processor.letter_box import LetterNotWritten

FIRST_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 2.0
# So many lost conflicts in a row are tried again at once, those after them like an outage.
MAX_CONFLICTS = 5


def wait_seconds(errors: int) -> float:
    """Return how long to wait after so many errors in a row, 1 or more."""
    # An outage of hours has more errors than a float can be doubled.
    doublings = min(errors - 1, 10)
    return min(FIRST_WAIT_SECONDS * 2.0**doublings, MAX_WAIT_SECONDS)


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
