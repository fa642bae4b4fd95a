"""The restart policy of supervised processes: restarts with backoff, and when a process counts as crash looping."""

from __future__ import annotations

import time

from runtime.backoff import Backoff

BACKOFF = Backoff(first_seconds=0.1, max_seconds=5.0)
# A process that ran this long was healthy: its next restart has the shortest delay again.
HEALTHY_SECONDS = 10.0
CRASH_LOOP_EXITS = 3


class Restarts:
    """Counts the exits of one process; used by one thread."""

    def __init__(self) -> None:
        # Exits in a row soon after the start.
        self.early_exits = 0
        self._failures = 0
        # By the monotonic clock.
        self.started_at = float("-inf")

    def started(self) -> None:
        """Note that the process was started now."""
        self.started_at = time.monotonic()

    def exited(self) -> float:
        """Note that the process exited, or could not be started; return the seconds to wait before its restart."""
        if self._healthy():
            self.early_exits, self._failures = 0, 1
        else:
            self.early_exits += 1
            self._failures += 1
        return BACKOFF.delay_seconds(self._failures)

    def crash_looping(self, *, running: bool) -> bool:
        """Return whether the process keeps exiting soon after its start; a running one has to last to be healthy."""
        return self.early_exits >= CRASH_LOOP_EXITS and not (running and self._healthy())

    def _healthy(self) -> bool:
        return time.monotonic() - self.started_at > HEALTHY_SECONDS
