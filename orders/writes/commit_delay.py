"""Delays commits while that enlarges batches."""

from __future__ import annotations

# A transaction costs about as much as ten orders in it: larger batches gain little from a delay.
LARGE_BATCH_ORDERS = 16
DELAY_SECONDS = 0.008
# A delay in which fewer orders arrive costs more than it saves.
MIN_ARRIVALS = 2.0
PROBE_INTERVAL = 50
SMOOTHING = 0.2


class CommitDelay:
    """Decides how long to wait between a small commit and the next one.

    The delay pays off where orders arrive independently of the answers. Clients that all wait for an answer send
    nothing meanwhile: when few orders arrive during delays, only one in fifty is made, to detect a change.
    """

    def __init__(self) -> None:
        self._mean_arrivals = 2 * MIN_ARRIVALS
        self._skipped = 0

    def seconds(self, committed: int, queued: int) -> float:
        """Return the delay before the next commit, given the orders of the last commit and the queued calls."""
        if not queued or committed >= LARGE_BATCH_ORDERS or queued >= LARGE_BATCH_ORDERS:
            return 0.0
        if self._mean_arrivals < MIN_ARRIVALS and self._skipped < PROBE_INTERVAL:
            self._skipped += 1
            return 0.0
        self._skipped = 0
        return DELAY_SECONDS

    def observe(self, arrivals: int) -> None:
        """Add the number of calls that arrived during a delay to the mean."""
        self._mean_arrivals += SMOOTHING * (arrivals - self._mean_arrivals)
