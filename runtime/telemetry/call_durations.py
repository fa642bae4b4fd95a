"""How long calls take: gathered in memory and written to the histogram once a second.

Writing each call to the metrics that processes share takes a third of an order's Python time.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import Histogram

from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

FLUSH_SECONDS = 1.0
RECENT_SECONDS = 10.0
# Of a second's times so many are kept, evenly picked: enough for a percentile.
KEPT_TIMES = 500
REFUSED = {"RESOURCE_EXHAUSTED"}
FAILED = {"UNAVAILABLE", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS"}
# What people call, not what watches over it.
UNCOUNTED = ("/grpc.", "/ordermesh.internal.")


@dataclass(slots=True)
class Calls:
    """Calls of public methods: how many, what became of them, and times of some."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, code: str, times: Sequence[float]) -> None:
        """Add calls that ended with one code."""
        self.calls += len(times)
        self.refused += len(times) if code in REFUSED else 0
        self.failed += len(times) if code in FAILED else 0
        self.seconds.extend(times[:: len(times) // KEPT_TIMES + 1])

    def percentile_ms(self, share: float) -> float:
        """Return the time that a share of the calls did not take longer than, 0 without calls."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000 if self.seconds else 0.0


class CallTimes:
    """Takes the times of calls from any thread."""

    def __init__(self) -> None:
        # Both of its ends are safe against other threads, without a lock.
        self._times: deque[tuple[str, str, float]] = deque()
        self._recent: deque[tuple[float, Calls]] = deque()

    def add(self, method: str, code: str, seconds: float) -> None:
        """Take the time of one call."""
        self._times.append((method, code, seconds))

    def flush(self) -> None:
        """Write what was taken to the histogram; one thread at a time."""
        taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(len(self._times)):
            method, code, seconds = self._times.popleft()
            taken[method, code].append(seconds)
        now, calls = time.monotonic(), Calls()
        for (method, code), times in taken.items():
            observe_many(metrics.RPC_DURATION.labels(method.removeprefix("/"), code), times)
            if not method.startswith(UNCOUNTED):
                calls.add(code, times)
        self._recent.append((now, calls))
        while now - self._recent[0][0] > RECENT_SECONDS:
            self._recent.popleft()

    def recent(self) -> Calls:
        """Return the calls of public methods of the last ten seconds."""
        oldest, found = time.monotonic() - RECENT_SECONDS, Calls()
        for at, calls in list(self._recent):
            if at > oldest:
                found.calls += calls.calls
                found.refused += calls.refused
                found.failed += calls.failed
                found.seconds += calls.seconds
        return found

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
