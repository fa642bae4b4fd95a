"""The database's clock, as a process knows it: its own monotonic clock plus an offset learned from replies.

A reply tells a time that was taken between the request and the reply, so it confines the offset to an interval as wide
as the round trip. Intervals are intersected (Marzullo's algorithm); two that do not meet prove that a clock was set.
See docs/decisions/0009-time-and-ids.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from runtime.telemetry.logging import logger

# Two clocks that NTP corrects by at most 500 ppm each.
MAX_DRIFT_PPM = 1000
# Below this a fast correction of a clock by its time service would be logged with every sample.
LOGGED_STEP_US = 10_000
# So far stamps may be ahead of the database's clock, so that they need not go back: far less than a worker accepts.
MAX_AHEAD_US = 5_000_000
# Two processes differ by that much when one follows a clock that was set back and the other waits for it.
MAX_CARRIED_US = 2 * MAX_AHEAD_US


class DatabaseClock:
    """Tells the database's time in microseconds since 1970; a wrong wall clock of this machine changes nothing.

    No time is told twice, and none is lower than one told before, unless the database's clock was set back by more than
    MAX_AHEAD_US: that is followed at once, and logged. Until then the time told runs at half speed.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known = False
        # The offset's bounds, and when they were learned.
        self._low_us = self._high_us = self._learned_us = 0
        # The last time told, and when.
        self._last_us = self._told_us = 0

    def learn(self, database_us: int, sent_at: float, received_at: float) -> None:
        """Take in a time that the database told between two readings of the monotonic clock."""
        sent_us, received_us = int(sent_at * 1_000_000), int(received_at * 1_000_000) + 1
        drift_us = most_drift_us(received_us - sent_us)
        low_us, high_us = database_us - received_us - drift_us, database_us - sent_us + drift_us
        if self._known:
            drift_us = most_drift_us(received_us - self._learned_us)
            known_low_us, known_high_us = self._low_us - drift_us, self._high_us + drift_us
            if known_low_us <= high_us and low_us <= known_high_us:
                low_us, high_us = max(low_us, known_low_us), min(high_us, known_high_us)
            else:
                tell_step((low_us + high_us - self._low_us - self._high_us) // 2)
        self._low_us, self._high_us, self._learned_us, self._known = low_us, high_us, received_us, True

    @property
    def known(self) -> bool:
        """Tell whether the database has told its time yet."""
        return self._known

    @property
    def uncertainty_us(self) -> int:
        """Return how far the offset may be off, either way, at the moment it was last learned."""
        return (self._high_us - self._low_us + 1) // 2

    def now_us(self, count: int = 1) -> int:
        """Return the first of `count` successive microseconds: now, or right after the last ones.

        Raises RuntimeError before the first reply.
        """
        if not self._known:
            raise RuntimeError("the database has not told its time yet")
        monotonic_us = int(self._monotonic() * 1_000_000)
        estimate_us = monotonic_us + (self._low_us + self._high_us) // 2
        first_us = max(estimate_us, self._last_us + 1 + (monotonic_us - self._told_us) // 2)
        if first_us - estimate_us > MAX_AHEAD_US:
            first_us = estimate_us
            tell_going_back(self._last_us - first_us)
        self._last_us, self._told_us = first_us + count - 1, monotonic_us
        return first_us


def most_drift_us(elapsed_us: int) -> int:
    """Return how far two clocks may have drifted apart meanwhile."""
    return 1 + max(0, elapsed_us) * MAX_DRIFT_PPM // 1_000_000


def tell_step(step_us: int) -> None:
    """Log that the database's clock was set, unless by little."""
    if abs(step_us) >= LOGGED_STEP_US:
        logger().warning("the database's clock was set", step_ms=round(step_us / 1000, 1))


def tell_going_back(back_us: int) -> None:
    """Log that new stamps and ids are below earlier ones of this process, when they are."""
    if back_us >= 0:
        logger().warning("times go back with the database's clock", back_ms=round(back_us / 1000, 1))


def after(occur_us: int, earlier_us: int) -> int:
    """Return the time of a step: later than the step before, unless that was stamped by a clock far ahead of ours.

    Then the database's clock was set back meanwhile, and the present time counts.
    """
    return max(occur_us, earlier_us + 1) if earlier_us - occur_us <= MAX_CARRIED_US else occur_us
