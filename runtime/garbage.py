"""Looks for cycles of objects between pieces of work, in processes whose work makes many objects without cycles."""

from __future__ import annotations

import gc
import time

EVERY_SECONDS = 60.0


class Garbage:
    """Makes the collector rare while work is done; what errors leave in cycles is collected once a minute."""

    def __init__(self, collect_after_objects: int, every_seconds: float = EVERY_SECONDS) -> None:
        # What is loaded by now stays; the collector need not look at it again.
        gc.freeze()
        gc.set_threshold(collect_after_objects)
        self._every_seconds = every_seconds
        self._collected_at = time.monotonic()

    def collect(self) -> None:
        """Collect when it is time. Costs less than a millisecond when little is in hand."""
        now = time.monotonic()
        if now - self._collected_at >= self._every_seconds:
            gc.collect()
            self._collected_at = now
