"""Builds the pipeline's status from samples of its components; pure, without I/O."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse

from gateway.pipeline.sample import Component, Sample, call_totals, dead_letters, per_second, published

WINDOW_SECONDS = 10.0


def pipeline_status(
    samples: Sequence[Sample], components: Sequence[Component], reconciliation: PipelineStatus.Reconciliation
) -> PipelineStatus:
    """Return the status at the last sample, with rates over all samples."""
    last = samples[-1]
    ready = all(one.state == Component.UP for one in components)
    built = PipelineStatus(components=components, ready=ready, reconciliation=reconciliation)
    built.read_time.FromDatetime(last.read_time)
    if last.orders is not None:
        built.intake.CopyFrom(_intake(samples, last.orders))
    _add_calls(built, last)
    if last.orders is not None:
        built.outbox.CopyFrom(_outbox(samples, last.orders))
    if last.log is not None:
        built.kafka.CopyFrom(
            PipelineStatus.Kafka(
                end_offset_total=last.log.end_offset_total,
                brokers=last.log.brokers,
                consumer_lag=last.log.lag,
                dead_letters=last.log.dead_letters,
            )
        )
    if last.analytics is not None:
        built.processing.CopyFrom(_processing(samples, last.analytics))
    return built


def _intake(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> PipelineStatus.Intake:
    rate = per_second(samples, lambda one: one.orders.orders_total if one.orders else None)
    return PipelineStatus.Intake(orders_total=orders.orders_total, orders_per_second=rate, backorders=orders.backorders)


def _add_calls(built: PipelineStatus, last: Sample) -> None:
    """Add the recent calls, as reported by the processes of orders."""
    answering = [one.health for one in last.orders_processes if one.health is not None]
    calls, refused, failed = call_totals(answering)
    if calls:
        built.intake.calls_per_second = round(calls / WINDOW_SECONDS, 1)
        built.intake.refused_share, built.intake.failed_share = refused / calls, failed / calls
        built.intake.call_latency.p50_ms = max(one.p50_ms for one in answering)
        built.intake.call_latency.p99_ms = max(one.p99_ms for one in answering)


def _outbox(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> PipelineStatus.Outbox:
    return PipelineStatus.Outbox(
        pending=orders.pending,
        dead=orders.dead,
        oldest_pending_seconds=orders.oldest_pending_seconds,
        published_total=orders.published_total,
        published_per_second=per_second(samples, published),
        latency=PipelineStatus.Latency(p50_ms=orders.publish_p50_ms, p99_ms=orders.publish_p99_ms),
    )


def _processing(samples: Sequence[Sample], analytics: GetAnalyticsProgressResponse) -> PipelineStatus.Processing:
    return PipelineStatus.Processing(
        counted_total=analytics.counted_total,
        counted_per_second=per_second(samples, lambda one: one.analytics.counted_total if one.analytics else None),
        workers=analytics.workers,
        latency=PipelineStatus.Latency(p50_ms=analytics.latency_p50_ms, p99_ms=analytics.latency_p99_ms),
        dead_letters_total=analytics.dead_letters_total,
        dead_letters_per_second=per_second(samples, dead_letters),
        worker_crashes=analytics.worker_crashes,
        paused_partitions=[
            PipelineStatus.PausedPartition(
                topic=one.topic, partition=one.partition, pause_time=one.pause_time, records=one.records, bad=one.bad
            )
            for one in analytics.paused_partitions
        ],
    )
