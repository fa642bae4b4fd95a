"""Makes the pipeline's status from samples of its parts; pure, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse

from gateway.pipeline.component_states import Component, Sample, totals

WINDOW_SECONDS = 10.0


def status(samples: Sequence[Sample], components: Sequence[Component]) -> PipelineStatus:
    """Return the status as of the last sample, with rates over all of them."""
    last = samples[-1]
    ready = all(one.state == Component.UP for one in components)
    made = PipelineStatus(components=components, ready=ready)
    made.read_time.FromDatetime(last.as_of)
    if last.orders is not None:
        made.intake.CopyFrom(_intake(samples, last.orders))
    _add_calls(made, last)
    if last.orders is not None:
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
    return PipelineStatus.Intake(orders_total=orders.orders_total, orders_per_second=rate, backorders=orders.backorders)


def _add_calls(made: PipelineStatus, last: Sample) -> None:
    """Add what became of the calls of the last seconds, as far as a process of orders tells."""
    answering = [one.health for one in last.orders_processes if one.health is not None]
    calls, refused, failed = totals(answering)
    if calls:
        made.intake.calls_per_second = round(calls / WINDOW_SECONDS, 1)
        made.intake.refused_share, made.intake.failed_share = refused / calls, failed / calls
        made.intake.call_latency.p50_ms = max(one.p50_ms for one in answering)
        made.intake.call_latency.p99_ms = max(one.p99_ms for one in answering)


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
        dead_letters_total=analytics.dead_letters_total,
        dead_letters_per_second=per_second(
            samples, lambda one: one.analytics.dead_letters_total if one.analytics else None
        ),
        worker_crashes=analytics.worker_crashes,
        paused_partitions=[
            PipelineStatus.PausedPartition(
                topic=one.topic, partition=one.partition, pause_time=one.pause_time, records=one.records, bad=one.bad
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
