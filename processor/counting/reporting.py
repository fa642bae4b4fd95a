"""Reports what was counted: to the metrics of the process, and to the log for sampled traces."""

from __future__ import annotations

import time
from collections import Counter

from ordermesh.events.v1.events_pb2 import EventType

from processor.counting.transaction import Counted
from processor.events.batch import Batch
from processor.events.event import Reason
from runtime.telemetry import logging, metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics.call_durations import observe_many
from runtime.telemetry.metrics.exemplars import EXEMPLARS

REVENUE_OF = {"gross": EventType.ORDER_CREATED, "cancelled": EventType.ORDER_CANCELLED}


def create_metrics() -> None:
    """Create the metrics of the workers; a counter that appears with its first event would hide this one from rates."""
    metrics.create("processor")
    for reason in Reason:
        metrics.DEAD_LETTERS.labels(reason.value)
    for name in EventType.keys()[1:]:
        metrics.EVENTS_COUNTED.labels(name)
    for kind in REVENUE_OF:
        metrics.REVENUE.labels(kind)


def report(batch: Batch, counted: Counted) -> None:
    """Add a counted batch to the metrics of this process, and log its events of sampled traces."""
    metrics.COUNTING_BATCH_EVENTS.observe(len(batch.events))
    metrics.EVENTS_DEDUPLICATED.inc(counted.duplicates)
    for type_, events in Counter(event.type for event in counted.events).items():
        metrics.EVENTS_COUNTED.labels(EventType.Name(type_)).inc(events)
    for reason, records in Counter(each.rejection.reason for each in batch.dead_letters).items():
        metrics.DEAD_LETTERS.labels(reason.value).inc(records)
    for (topic, partition), covered in batch.ranges.items():
        metrics.EVENTS_READ.labels(topic, str(partition)).inc(covered.records)
    for kind, type_ in REVENUE_OF.items():
        metrics.REVENUE.labels(kind).inc(sum(event.total_minor for event in counted.events if event.type == type_))
    now = time.time()
    observe_many(metrics.EVENT_DELAY, [max(now - event.occur_us / 1_000_000, 0) for event in counted.events])
    if logging.debugs(__name__):
        logger().debug("batch counted", events=len(counted.events), records=len(batch.events))
    if batch.sampled:
        log_sampled(batch, {event.event_id for event in counted.events}, now)


def log_sampled(batch: Batch, new_ids: set[str], now: float) -> None:
    """Log each new event of a sampled trace, and have the histogram of delays show this trace."""
    for event, (partition, offset) in zip(batch.events, batch.places, strict=True):
        context = batch.sampled.get(event.event_id)
        if context is not None and event.event_id in new_ids:
            seconds = max(now - event.occur_us / 1_000_000, 0)
            EXEMPLARS.put(metrics.EVENT_DELAY, (), seconds, context.trace_id)
            logger().info(
                "event counted",
                trace_id=context.trace_id,
                span_id=context.span_id,
                order_id=event.order_id,
                event_id=event.event_id,
                event_type=EventType.Name(event.type),
                partition=partition,
                offset=offset,
            )
