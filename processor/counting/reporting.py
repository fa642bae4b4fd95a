"""Tells the metrics of the process, and the log for sampled traces, what was counted."""

from __future__ import annotations

import time
from collections import Counter

from ordermesh.events.v1.events_pb2 import EventType

from processor.counting import transaction as store
from processor.events.batch import Batch
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

# The histogram of latencies gets this many events of a batch; all of them would cost more than counting does.
OBSERVED_EVENTS = 20


def tell(batch: Batch, counted: store.Counted) -> None:
    """Add a counted batch to the metrics of this process, and the events of sampled traces to the log."""
    metrics.COUNTING_BATCH_EVENTS.observe(len(batch.events))
    metrics.EVENTS_DEDUPLICATED.inc(counted.duplicates)
    for type_, events in Counter(event.type for event in counted.events).items():
        metrics.EVENTS_COUNTED.labels(EventType.Name(type_)).inc(events)
    for reason, letters in Counter(letter.poison.reason for letter in batch.parked).items():
        metrics.DEAD_LETTERS.labels(reason.value).inc(letters)
    now = time.time()
    for event in counted.events[:: len(counted.events) // OBSERVED_EVENTS + 1]:
        metrics.EVENT_DELAY.observe(max(now - event.occur_us / 1_000_000, 0))
    if batch.sampled:
        log_sampled(batch, {event.event_id for event in counted.events})


def log_sampled(batch: Batch, new_ids: set[str]) -> None:
    """Write a line for each new event whose trace is followed."""
    for event, (partition, offset) in zip(batch.events, batch.places, strict=True):
        context = batch.sampled.get(event.event_id)
        if context is not None and event.event_id in new_ids:
            logger().info(
                "event counted",
                trace_id=context.trace_id,
                order_id=event.order_id,
                event_id=event.event_id,
                event_type=EventType.Name(event.type),
                partition=partition,
                offset=offset,
            )
