"""How long calls take: gathered in memory and written to the histogram once a second.

Writing each call to the metrics that processes share takes a third of an order's Python time.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence

from prometheus_client import Histogram

from runtime import metrics
from runtime.logging import logger

FLUSH_SECONDS = 1.0


class CallTimes:
    """Takes the times of calls from any thread."""

    def __init__(self) -> None:
        # Both of its ends are safe against other threads, without a lock.
        self._times: deque[tuple[str, str, float]] = deque()

    def add(self, method: str, code: str, seconds: float) -> None:
        """Take the time of one call."""
        self._times.append((method, code, seconds))

    def flush(self) -> None:
        """Write what was taken to the histogram; one thread at a time."""
        taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(len(self._times)):
            method, code, seconds = self._times.popleft()
            taken[method, code].append(seconds)
        for (method, code), times in taken.items():
            observe_many(metrics.RPC_SECONDS.labels(method, code), times)

    def flush_until(self, stop: threading.Event) -> None:
        """Flush once a second in a thread of its own, and a last time when told to stop."""

        def run() -> None:
            ends = False
            while not ends:
                ends = stop.wait(FLUSH_SECONDS)
                try:
                    self.flush()
                except Exception as error:
                    logger().error("times of calls are lost", exc_info=error)

        threading.Thread(target=run, name="call-times", daemon=True).start()


CALL_TIMES = CallTimes()


def observe_many(histogram: Histogram, values: Sequence[float]) -> None:
    """Do what `observe` does for each value, with one write a bucket; the library has no public way."""
    counts = [0] * len(histogram._upper_bounds)
    for value in values:
        counts[bisect_left(histogram._upper_bounds, value)] += 1
    histogram._sum.inc(sum(values))
    for bucket, count in zip(histogram._buckets, counts, strict=True):
        if count:
            bucket.inc(count)
