"""Records a run: latencies, errors by kind, series per second, and the totals for the reconciliation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from loadgen.reconciliation.own_orders import OwnOrders
from loadgen.transports.answers import Answer
from loadgen.workload import PlannedOrder

LOWEST_US = 1
HIGHEST_US = 600_000_000
SIGNIFICANT_DIGITS = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}
NANOSECONDS = 1_000_000_000


class Latencies:
    """A latency histogram from 1 µs to 10 minutes, with three significant digits."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)

    def record(self, nanoseconds: int, count: int = 1) -> None:
        """Add a duration `count` times, clamped to the range."""
        self._histogram.record_value(min(max(nanoseconds // 1000, LOWEST_US), HIGHEST_US), count)

    def percentiles_ms(self) -> dict[str, float]:
        """Return p50, p90, p99, p99_9 and max in milliseconds; all 0 without values."""
        if self._histogram.total_count == 0:
            return dict.fromkeys((*PERCENTILES, "max"), 0.0)
        at = self._histogram.get_value_at_percentile
        figures = {name: at(percentile) / 1000 for name, percentile in PERCENTILES.items()}
        return figures | {"max": self._histogram.get_max_value() / 1000}


@dataclass
class Series:
    """One number per second of the run."""

    values: list[int] = field(default_factory=list)

    def add(self, at_ns: int, count: int) -> None:
        """Add to the second of `at_ns`, nanoseconds from the start."""
        second = at_ns // NANOSECONDS
        if second >= len(self.values):
            self.values.extend([0] * (second + 1 - len(self.values)))
        self.values[second] += count


class Recorder:
    """The counters, series and latencies of a run. Times are in nanoseconds from its start."""

    def __init__(self) -> None:
        self.offered = 0
        self.accepted = 0
        self.accepted_minor = 0
        self.unanswered = 0
        self.not_sent = 0
        self.held_calls = 0
        self.errors: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()
        self.accepted_latency = Latencies()
        self.failed_latency = Latencies()
        self.schedule_lag = Latencies()
        self.offered_series = Series()
        self.accepted_series = Series()
        self.failed_series = Series()
        self.recent_latencies_ns: list[int] = []
        self.own = OwnOrders()

    @property
    def failed(self) -> int:
        """Orders that were not acknowledged, including those never sent."""
        return self.errors.total() + self.not_sent

    def offer(self, due_ns: int, count: int) -> None:
        """Record that orders became due."""
        self.offered += count
        self.offered_series.add(due_ns, count)

    def skip(self, now_ns: int, count: int) -> None:
        """Record orders that were never sent."""
        self.not_sent += count
        self.failed_series.add(now_ns, count)

    def accept(self, orders: Sequence[PlannedOrder], due_ns: int, now_ns: int) -> None:
        """Record orders that one call had acknowledged."""
        if not orders:
            return
        self.accepted += len(orders)
        self.accepted_minor += sum([order.total_minor for order in orders])
        self.own.acknowledged += "".join([order.order_id for order in orders]).encode()
        self.own.retried.update([order.order_id for order in orders if order.outcome_unknown])
        self.accepted_latency.record(now_ns - due_ns, len(orders))
        self.accepted_series.add(now_ns, len(orders))
        self.recent_latencies_ns.append(now_ns - due_ns)

    def fail(self, order: PlannedOrder, answer: Answer, due_ns: int, now_ns: int) -> None:
        """Record that an order failed."""
        self.unanswered += order.outcome_unknown
        if order.outcome_unknown:
            self.own.unanswered[order.customer_id, order.total_minor] += 1
        self.errors[answer.kind] += 1
        self.failed_latency.record(now_ns - due_ns)
        self.failed_series.add(now_ns, 1)

    def take_recent(self) -> list[int]:
        """Return the sorted latencies of calls accepted since the last call of this method, in nanoseconds."""
        recent, self.recent_latencies_ns = self.recent_latencies_ns, []
        return sorted(recent)
