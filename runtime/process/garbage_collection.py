"""Reduces garbage collection in processes that allocate many objects, nearly all without reference cycles."""

from __future__ import annotations

import gc
import time

EVERY_SECONDS = 60.0


def collect_rarely(collect_after_objects: int) -> None:
    """Collect the youngest generation only after so many new objects; exempt the objects loaded by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(collect_after_objects)


class RareCollector:
    """Collects rarely, and once in `every_seconds` everything: exceptions leave reference cycles."""

    def __init__(self, collect_after_objects: int, every_seconds: float = EVERY_SECONDS) -> None:
        collect_rarely(collect_after_objects)
        self._every_seconds = every_seconds
        self._collected_at = time.monotonic()

    def collect(self) -> None:
        """Collect when it is time; call it between batches. Takes less than a millisecond when few objects are left."""
        now = time.monotonic()
        if now - self._collected_at >= self._every_seconds:
            gc.collect()
            self._collected_at = now
