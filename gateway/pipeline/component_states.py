"""Derives the state of every part from samples of them: whether it answers, and whether its work goes on. Pure.

Everybody who shows a state has it from here. A part that only lacks another one says so, and the other one is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse
from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse

from gateway.backends.event_log import LogState
from runtime.kafka import topics
from runtime.kafka.offsets import Partition

Component = PipelineStatus.Component
UP, DOWN, DEGRADED, DRAINING = Component.UP, Component.DOWN, Component.DEGRADED, Component.DRAINING
UNKNOWN = Component.STATE_UNSPECIFIED
ORDERS_DATABASE, ANALYTICS_DATABASE = "postgresql-orders", "postgresql-analytics"
# Who did not show itself for this long is taken to be down.
SILENCE_SECONDS = 10.0
# Work that waits for this long while none is done stands still; this long in any case, and something is wrong.
STILL_SECONDS = 10.0
LATE_SECONDS = 60.0
TOLD_PARTITIONS = 3
# So many ends of workers within ten minutes are no accident of one.
TOLD_CRASHES = 3
# From this share of calls on, and this many, refusing or failing is told.
TOLD_SHARE = 0.05
TOLD_CALLS = 5
SLOW_MS = 1000.0


@dataclass(frozen=True)
class Process:
    """One process of a service: what it says of itself, or why it says nothing."""

    health: GetProcessHealthResponse | None = None
    problem: str = ""


@dataclass(frozen=True)
class Sample:
    """What the parts said at one time; None where one did not answer, with the reason by its name."""

    # Of a clock that never jumps.
    taken_seconds: float
    as_of: datetime
    orders: GetOrderProgressResponse | None = None
    analytics: GetAnalyticsProgressResponse | None = None
    log: LogState | None = None
    problems: dict[str, str] = field(default_factory=dict)
    orders_processes: Sequence[Process] = ()
    analytics_processes: Sequence[Process] = ()
    # How long ago Envoy last asked for our health; None when it never did.
    envoy_seen_seconds: float | None = None
    draining: bool = False


@dataclass(frozen=True)
class State:
    """How a part is, and why it is not UP."""

    value: Component.State
    message: str = ""


class Pulse:
    """Tells whether a heartbeat goes on, by our own clock: that of the database may be another."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._moved_seconds = 0.0

    def beats(self, seen_at: Timestamp, sample: Sample) -> bool:
        """Note a heartbeat's time and tell whether the last one that was new is recent."""
        seen = (seen_at.seconds, seen_at.nanos)
        if self._seen is None:
            age_seconds = sample.as_of.timestamp() - seen_at.seconds
            self._moved_seconds = sample.taken_seconds - max(0.0, age_seconds)
        elif seen != self._seen:
            self._moved_seconds = sample.taken_seconds
        self._seen = seen
        return sample.taken_seconds - self._moved_seconds < SILENCE_SECONDS


def states(samples: Sequence[Sample], publisher: Pulse) -> dict[str, State]:
    """Tell of each part how it is as of the last sample, from the front door to the metrics."""
    last = samples[-1]
    databases = {
        ORDERS_DATABASE: _database("orders", last.orders_processes),
        ANALYTICS_DATABASE: _database("analytics", last.analytics_processes),
    }
    return {
        "envoy": _envoy(last),
        "orders": _service("orders", last, last.orders_processes, databases, ORDERS_DATABASE),
        "publisher": _publisher(samples, publisher, databases[ORDERS_DATABASE]),
        "kafka": State(UP) if "kafka" not in last.problems else State(DOWN, last.problems["kafka"]),
        "processor": _processor(samples, databases[ANALYTICS_DATABASE]),
        "analytics": _service("analytics", last, last.analytics_processes, databases, ANALYTICS_DATABASE),
        "gateway": State(DRAINING, "finishes what is in flight") if last.draining else State(UP),
        **databases,
    }


def _envoy(last: Sample) -> State:
    if last.envoy_seen_seconds is None:
        return State(UNKNOWN, "did not ask for our health yet")
    if last.envoy_seen_seconds < SILENCE_SECONDS:
        return State(UP)
    return State(DOWN, f"did not ask for our health for {SILENCE_SECONDS:g} seconds")


def _database(service: str, processes: Sequence[Process]) -> State:
    told = [one.health.database_problem for one in processes if one.health is not None]
    problems = [problem for problem in told if problem]
    if not told:
        return State(UNKNOWN, f"not known while {service} does not answer")
    if not problems:
        return State(UP)
    return State(DOWN if len(problems) == len(told) else DEGRADED, problems[0])


def _service(
    name: str, last: Sample, processes: Sequence[Process], databases: dict[str, State], database: str
) -> State:
    answering = [one.health for one in processes if one.health is not None]
    silent = [one.problem for one in processes if one.health is None]
    if not answering:
        return State(DOWN, silent[0] if silent else "no process is known")
    draining = sum(health.draining for health in answering)
    if draining:
        return State(DRAINING, f"{_of(draining, processes)} takes nothing new")
    if databases[database].value == DOWN:
        return State(DEGRADED, f"needs {database}")
    if silent:
        return State(DEGRADED, f"{_of(len(silent), processes)}: {silent[0]}")
    if name in last.problems:
        return State(DEGRADED, last.problems[name])
    return _calls(answering)


def _of(some: int, all_of_them: Sequence[Process]) -> str:
    return f"{some} of {len(all_of_them)} processes" if len(all_of_them) > 1 else "its process"


def _calls(answering: Sequence[GetProcessHealthResponse]) -> State:
    """Tell whether the calls of the last seconds were served."""
    calls, refused, failed = totals(answering)
    if refused >= max(TOLD_CALLS, TOLD_SHARE * calls):
        return State(DEGRADED, f"overloaded: refuses {refused / calls:.0%} of {calls:,} calls in 10 seconds")
    if failed >= max(TOLD_CALLS, TOLD_SHARE * calls):
        return State(DEGRADED, f"fails {failed / calls:.0%} of {calls:,} calls in 10 seconds")
    slowest = max(health.p50_ms for health in answering)
    if calls >= TOLD_CALLS and slowest > SLOW_MS:
        return State(DEGRADED, f"slow: half of the calls take longer than {slowest / 1000:.1f} s")
    return State(UP)


def totals(answering: Sequence[GetProcessHealthResponse]) -> tuple[int, int, int]:
    """Return calls, refused ones and failed ones of several processes."""
    calls = sum(one.calls for one in answering)
    return calls, sum(one.refused for one in answering), sum(one.failed for one in answering)


def _publisher(samples: Sequence[Sample], pulse: Pulse, database: State) -> State:
    last = samples[-1]
    orders = last.orders
    if database.value == DOWN:
        return State(DEGRADED, f"needs {ORDERS_DATABASE}")
    if orders is None:
        return State(UNKNOWN, "not known while orders does not answer")
    if not orders.HasField("publisher_heartbeat_time"):
        return State(DOWN, "never showed itself")
    if not pulse.beats(orders.publisher_heartbeat_time, last):
        return State(DOWN, f"did not show itself for {SILENCE_SECONDS:g} seconds")
    return _published(samples, orders)


def _published(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> State:
    """Tell whether a publisher that is there gets its events into Kafka."""
    last = samples[-1]
    still = (
        orders.pending > 0
        and orders.oldest_pending_seconds > STILL_SECONDS
        and not _moved(samples, lambda one: one.orders.published_total if one.orders else None)
    )
    if "kafka" in last.problems and still:
        return State(DEGRADED, "needs kafka")
    if still or (orders.pending and orders.oldest_pending_seconds > LATE_SECONDS):
        return State(DEGRADED, f"an event has waited for {orders.oldest_pending_seconds:,.0f} seconds")
    if orders.dead:
        events = "1 event is" if orders.dead == 1 else f"{orders.dead:,} events are"
        return State(DEGRADED, f"{events} dead, Kafka did not take them: see `ordermesh outbox list`")
    return State(UP)


def _processor(samples: Sequence[Sample], database: State) -> State:
    last = samples[-1]
    analytics = last.analytics
    if database.value == DOWN:
        return State(DEGRADED, f"needs {ANALYTICS_DATABASE}")
    if analytics is None:
        return State(UNKNOWN, "not known while analytics does not answer")
    if not analytics.workers:
        return State(DOWN, f"no worker showed itself in the last {SILENCE_SECONDS:g} seconds")
    if analytics.silent_workers:
        known = analytics.workers + analytics.silent_workers
        return State(DEGRADED, f"{analytics.silent_workers} of {known} workers fell silent")
    if analytics.paused_partitions:
        count = len(analytics.paused_partitions)
        words = "1 partition is paused: most of its" if count == 1 else f"{count} partitions are paused: most of their"
        return State(DEGRADED, f"{words} records are bad")
    still = _still(samples)
    if still.value == UP and analytics.worker_crashes >= TOLD_CRASHES:
        return State(DEGRADED, f"workers crashed {analytics.worker_crashes} times in the last ten minutes")
    return _set_aside(samples) if still.value == UP else still


def _still(samples: Sequence[Sample]) -> State:
    """Tell whether events wait and are not counted, in all partitions or in some."""
    last = samples[-1]
    waiting = all(one.log is not None and one.log.lag > 0 for one in samples) and _span(samples) >= STILL_SECONDS * 0.8
    if waiting and not _moved(samples, _counted):
        lag = last.log.lag if last.log is not None else 0
        return State(DEGRADED, f"{lag:,} events wait, none was counted in {STILL_SECONDS:g} seconds")
    if still := _still_partitions(samples):
        names = ", ".join(f"{topic}/{number}" for topic, number in still[:TOLD_PARTITIONS])
        more = f" and {len(still) - TOLD_PARTITIONS} more" if len(still) > TOLD_PARTITIONS else ""
        return State(DEGRADED, f"events wait in {names}{more}, none was counted there in {STILL_SECONDS:g} seconds")
    return State(UP)


def _set_aside(samples: Sequence[Sample]) -> State:
    """Tell whether many of the events that were read became dead letters."""
    read = _grown(samples, _counted)
    parked = _grown(samples, lambda one: one.analytics.dead_letters_total if one.analytics else None)
    if parked >= max(TOLD_CALLS, TOLD_SHARE * read):
        return State(DEGRADED, f"sets aside {parked / read:.0%} of {read:,} events: see `ordermesh dlq list`")
    return State(UP)


def _still_partitions(samples: Sequence[Sample]) -> list[Partition]:
    """Return the partitions where events wait over the whole time and the group's offset did not move."""
    first, last = samples[0].log, samples[-1].log
    if first is None or last is None or _span(samples) < STILL_SECONDS * 0.8:
        return []
    return [
        place
        for place, end in sorted(first.readable_ends.items())
        if place[0] in topics.EVENT_TOPICS
        and max(last.committed.get(place, 0), last.begins.get(place, 0)) < end
        and last.committed.get(place) == first.committed.get(place)
        and first.topic_ids.get(place[0]) == last.topic_ids.get(place[0])
    ]


def _counted(sample: Sample) -> int | None:
    return None if sample.analytics is None else sample.analytics.counted_total + sample.analytics.dead_letters_total


def _span(samples: Sequence[Sample]) -> float:
    return samples[-1].taken_seconds - samples[0].taken_seconds


def _moved(samples: Sequence[Sample], count: Callable[[Sample], int | None]) -> bool:
    """Tell whether a count grew over the samples."""
    return _grown(samples, count) > 0


def _grown(samples: Sequence[Sample], count: Callable[[Sample], int | None]) -> int:
    """Return by how much a count grew over the samples."""
    known = [number for one in samples if (number := count(one)) is not None]
    return max(0, known[-1] - known[0]) if known else 0
