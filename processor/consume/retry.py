"""How long a worker waits when it cannot go on."""

from __future__ import annotations

FIRST_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 2.0
# So many lost conflicts in a row are tried again at once, those after them like an outage.
MAX_CONFLICTS = 5


def wait_seconds(errors: int) -> float:
    """Return how long to wait after so many errors in a row, 1 or more."""
    # An outage of hours has more errors than a float can be doubled.
    doublings = min(errors - 1, 10)
    return min(FIRST_WAIT_SECONDS * 2.0**doublings, MAX_WAIT_SECONDS)
