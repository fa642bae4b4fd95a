"""Durations of gRPC calls: collected in memory and written to the histogram once a second.

Writing each call to the metrics that processes share would take a third of the Python time of an order.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import Histogram

from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics.exemplars import EXEMPLARS

FLUSH_SECONDS = 1.0
RECENT_SECONDS = 10.0
# Durations kept per second, evenly sampled: enough for a percentile.
KEPT_DURATIONS = 500
REFUSED = {"RESOURCE_EXHAUSTED"}
FAILED = {"UNAVAILABLE", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS"}
# Health checks, reflection and internal services are not calls of users.
UNCOUNTED = ("/grpc.", "/ordermesh.internal.")


@dataclass(slots=True)
class Calls:
    """Calls of public methods: counts by outcome, and a sample of durations in seconds."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, code: str, times: Sequence[float]) -> None:
        """Add calls that ended with one status code."""
        self.calls += len(times)
        self.refused += len(times) if code in REFUSED else 0
        self.failed += len(times) if code in FAILED else 0
        self.seconds.extend(times[:: len(times) // KEPT_DURATIONS + 1])

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the durations in milliseconds, 0 without calls; `share` is from 0 to 1."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000 if self.seconds else 0.0


class CallDurations:
    """Collects the durations of calls from any thread."""

    def __init__(self) -> None:
        # Appending and popping are thread-safe without a lock.
        self._times: deque[tuple[str, str, float]] = deque()
        self._refusals: deque[tuple[str, str]] = deque()
        self._recent: deque[tuple[float, Calls]] = deque()

    def add(self, method: str, code: str, seconds: float) -> None:
        """Add the duration of one call."""
        self._times.append((method, code, seconds))

    def add_refusal(self, method: str, reason: str) -> None:
        """Add a call that was refused before any work was done for it; its duration is added as that of any call."""
        self._refusals.append((method, reason))

    def flush(self) -> None:
        """Write what was collected to the metrics. Not thread-safe."""
        refusals = Counter(self._refusals.popleft() for _ in range(len(self._refusals)))
        for (method, reason), count in refusals.items():
            metrics.REQUESTS_REFUSED.labels(method.removeprefix("/"), reason).inc(count)
        taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(len(self._times)):
            method, code, seconds = self._times.popleft()
            taken[method, code].append(seconds)
        now, calls = time.monotonic(), Calls()
        for (method, code), times in taken.items():
            if not method.startswith(UNCOUNTED):
                observe_many(metrics.RPC_DURATION.labels(method.removeprefix("/"), code), times)
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
        """Flush once a second in a new thread, and once more when `stop` is set."""

        def run() -> None:
            ends = False
            while not ends:
                ends = stop.wait(FLUSH_SECONDS)
                try:
                    self.flush()
                except Exception as error:
                    logger().error("call durations lost", exc_info=error)

        threading.Thread(target=run, name="call-durations", daemon=True).start()


CALL_DURATIONS = CallDurations()


def show_call(method: str, code: str, seconds: float, trace_id: str) -> None:
    """Have the histogram of calls show the trace of a call, whose duration is added as that of any call."""
    if not method.startswith(UNCOUNTED):
        EXEMPLARS.put(metrics.RPC_DURATION, (method.removeprefix("/"), code), seconds, trace_id)


def observe_many(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe all values with one write per bucket, for which the library has no public method."""
    counts = [0] * len(histogram._upper_bounds)
    for value in values:
        counts[bisect_left(histogram._upper_bounds, value)] += 1
    histogram._sum.inc(sum(values))
    for bucket, count in zip(histogram._buckets, counts, strict=True):
        if count:
            bucket.inc(count)
