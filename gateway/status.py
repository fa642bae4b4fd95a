"""Makes the pipeline's status from samples of its parts; pure, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse

from gateway.event_log import LogState

Component = PipelineStatus.Component
Progress = TypeVar("Progress")

# A publisher that did not show itself for this long is taken to be down.
SILENCE_SECONDS = 10.0


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


@dataclass(frozen=True)
class State:
    """Whether a part answers, and why not."""

    up: bool | None
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


def states(sample: Sample, publisher: Pulse) -> dict[str, State]:
    """Tell of each part whether it answers."""
    return {
        "orders": _answers(sample, "orders"),
        "publisher": _publisher(sample, publisher),
        "kafka": _answers(sample, "kafka"),
        "processor": _processor(sample),
        "analytics": _answers(sample, "analytics"),
        "gateway": State(up=True),
    }


def _answers(sample: Sample, part: str) -> State:
    problem = sample.problems.get(part)
    return State(up=True) if problem is None else State(up=False, message=problem)


def _publisher(sample: Sample, publisher: Pulse) -> State:
    if sample.orders is None:
        return State(up=None, message="not known while orders does not answer")
    if not sample.orders.HasField("publisher_seen_at"):
        return State(up=False, message="never showed itself")
    if publisher.beats(sample.orders.publisher_seen_at, sample):
        return State(up=True)
    return State(up=False, message=f"did not show itself for {SILENCE_SECONDS:g} seconds")


def _processor(sample: Sample) -> State:
    if sample.analytics is None:
        return State(up=None, message="not known while analytics does not answer")
    if sample.analytics.workers:
        return State(up=True)
    return State(up=False, message="no worker showed itself in the last 10 seconds")


def status(samples: Sequence[Sample], components: Sequence[Component]) -> PipelineStatus:
    """Return the status as of the last sample, with rates over all of them."""
    last = samples[-1]
    made = PipelineStatus(components=components)
    made.as_of.FromDatetime(last.as_of)
    if last.orders is not None:
        made.intake.CopyFrom(_intake(samples, last.orders))
        made.outbox.CopyFrom(_outbox(samples, last.orders))
    if last.log is not None:
        made.kafka.CopyFrom(
            PipelineStatus.Kafka(
                end_offset_total=last.log.end_offset_total,
                brokers=last.log.brokers,
                consumer_lag=last.log.lag,
                dead_letters=last.log.dead_letters,
            )
        )
    if last.analytics is not None:
        made.processing.CopyFrom(_processing(samples, last.analytics))
    return made


def _intake(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> PipelineStatus.Intake:
    rate = per_second(samples, lambda one: one.orders.orders_total if one.orders else None)
    return PipelineStatus.Intake(orders_total=orders.orders_total, orders_per_second=rate)


def _outbox(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> PipelineStatus.Outbox:
    return PipelineStatus.Outbox(
        pending=orders.pending,
        dead=orders.dead,
        oldest_pending_seconds=orders.oldest_pending_seconds,
        published_total=orders.published_total,
        published_per_second=per_second(samples, lambda one: one.orders.published_total if one.orders else None),
        latency=PipelineStatus.Latency(p50_ms=orders.publish_p50_ms, p99_ms=orders.publish_p99_ms),
    )


def _processing(samples: Sequence[Sample], analytics: GetAnalyticsProgressResponse) -> PipelineStatus.Processing:
    return PipelineStatus.Processing(
        counted_total=analytics.counted_total,
        counted_per_second=per_second(samples, lambda one: one.analytics.counted_total if one.analytics else None),
        workers=analytics.workers,
        latency=PipelineStatus.Latency(p50_ms=analytics.latency_p50_ms, p99_ms=analytics.latency_p99_ms),
        parked_total=analytics.parked_total,
        parked_per_second=per_second(samples, lambda one: one.analytics.parked_total if one.analytics else None),
        worker_crashes=analytics.worker_crashes,
        paused_partitions=[
            PipelineStatus.PausedPartition(
                topic=one.topic, partition=one.partition, paused_at=one.paused_at, records=one.records, bad=one.bad
            )
            for one in analytics.paused_partitions
        ],
    )


def per_second(samples: Sequence[Sample], count: Callable[[Sample], int | None]) -> float:
    """Return how fast a count grows between the first and the last sample that have it; 0 without two of them."""
    known = [(one.taken_seconds, number) for one in samples if (number := count(one)) is not None]
    if len(known) < 2:
        return 0.0
    (first_seconds, first), (last_seconds, last) = known[0], known[-1]
    return round(max(0, last - first) / (last_seconds - first_seconds), 1)
