"""Makes the garbage collector rare in processes whose work makes many objects, nearly all without cycles."""

from __future__ import annotations

import gc
import time

EVERY_SECONDS = 60.0


def make_rare(collect_after_objects: int) -> None:
    """Have the collector look at new objects alone, and only when there are so many; what is loaded by now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(collect_after_objects)


class Garbage:
    """Makes the collector rare while work is done; what errors leave in cycles is collected once a minute."""

    def __init__(self, collect_after_objects: int, every_seconds: float = EVERY_SECONDS) -> None:
        make_rare(collect_after_objects)
        self._every_seconds = every_seconds
        self._collected_at = time.monotonic()

    def collect(self) -> None:
        """Collect when it is time. Costs less than a millisecond when little is in hand."""
        now = time.monotonic()
        if now - self._collected_at >= self._every_seconds:
            gc.collect()
            self._collected_at = now
