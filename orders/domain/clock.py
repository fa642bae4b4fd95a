"""Estimates the database's clock: the process's monotonic clock plus an offset that replies of the database bound.

The time in a reply was read between the request and the reply, which bounds the offset by the round trip. Bounds are
intersected (Marzullo's algorithm); disjoint bounds prove that a clock was set. See docs/decisions/0009-time-and-ids.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from runtime.telemetry.logging import logger

# NTP corrects each of the two clocks by at most 500 ppm.
MAX_DRIFT_PPM = 1000
# A lower threshold would log every reading while a time service corrects a clock fast.
LOGGED_STEP_US = 10_000
# How far times may be ahead of the database's clock, to avoid going back; far less than workers accept.
MAX_AHEAD_US = 5_000_000
# How far two processes may differ, when one has followed a clock that was set back and the other has not.
MAX_CARRIED_US = 2 * MAX_AHEAD_US


class DatabaseClock:
    """Returns the database's time in microseconds since 1970, independent of the wall clock of this machine.

    Times strictly increase, unless the database's clock was set back by more than MAX_AHEAD_US: then they follow it at
    once, which is logged. After a smaller step back they run at half speed until the database has caught up.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known = False
        # The offset's bounds, and when they were learned.
        self._low_us = self._high_us = self._learned_us = 0
        # The last time returned, and when.
        self._last_us = self._returned_us = 0

    def learn(self, database_us: int, sent_at: float, received_at: float) -> None:
        """Add a reading of the database's clock, taken between two readings of the monotonic clock in seconds."""
        sent_us, received_us = int(sent_at * 1_000_000), int(received_at * 1_000_000) + 1
        drift_us = max_drift_us(received_us - sent_us)
        low_us, high_us = database_us - received_us - drift_us, database_us - sent_us + drift_us
        if self._known:
            drift_us = max_drift_us(received_us - self._learned_us)
            known_low_us, known_high_us = self._low_us - drift_us, self._high_us + drift_us
            if known_low_us <= high_us and low_us <= known_high_us:
                low_us, high_us = max(low_us, known_low_us), min(high_us, known_high_us)
            else:
                log_clock_set((low_us + high_us - self._low_us - self._high_us) // 2)
        self._low_us, self._high_us, self._learned_us, self._known = low_us, high_us, received_us, True

    @property
    def uncertainty_us(self) -> int:
        """Return the maximum error of the offset, either way, as of the last reading."""
        return (self._high_us - self._low_us + 1) // 2

    def now_us(self, count: int = 1) -> int:
        """Return the first of `count` consecutive microseconds: now, or right after the last ones returned.

        Raises RuntimeError before the first reading.
        """
        if not self._known:
            raise RuntimeError("no reading of the database's clock yet")
        monotonic_us = int(self._monotonic() * 1_000_000)
        estimate_us = monotonic_us + (self._low_us + self._high_us) // 2
        first_us = max(estimate_us, self._last_us + 1 + (monotonic_us - self._returned_us) // 2)
        if first_us - estimate_us > MAX_AHEAD_US:
            first_us = estimate_us
            log_going_back(self._last_us - first_us)
        self._last_us, self._returned_us = first_us + count - 1, monotonic_us
        return first_us


def max_drift_us(elapsed_us: int) -> int:
    """Return the maximum drift between the two clocks in a time."""
    return 1 + max(0, elapsed_us) * MAX_DRIFT_PPM // 1_000_000


def log_clock_set(step_us: int) -> None:
    """Log that the database's clock was set, unless the step is small."""
    if abs(step_us) >= LOGGED_STEP_US:
        logger().warning("database clock was set", step_seconds=round(step_us / 1_000_000, 4))


def log_going_back(back_us: int) -> None:
    """Log that new times and ids are below earlier ones of this process, when they are."""
    if back_us >= 0:
        logger().warning(
            "event times go back: database clock was set back", step_seconds=round(-back_us / 1_000_000, 4)
        )


def after_previous(occur_us: int, previous_us: int) -> int:
    """Return the time of an event: after the previous one of its order, unless that is over MAX_CARRIED_US ahead.

    In that case the database's clock was set back in between, and the present time is kept.
    """
    return max(occur_us, previous_us + 1) if previous_us - occur_us <= MAX_CARRIED_US else occur_us
