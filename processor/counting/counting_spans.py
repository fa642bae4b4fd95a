"""The spans of a counted batch: of each sampled record until its counts are committed, and of the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ordermesh.events.v1.events_pb2 import EventType

from processor.counting.transaction import Counted
from processor.events.batch import Batch, sampled_context
from runtime.kafka import topics
from runtime.telemetry.trace_context import TraceContext
from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.otlp import Kind, SpanType
from runtime.telemetry.tracing.tracer import TRACER, child_of, new_trace

PROCESS = "process"
PROCESSES = {
    topic: SpanType(
        f"{PROCESS} {topic}",
        Kind.CONSUMER,
        {
            names.MESSAGING_SYSTEM: names.KAFKA,
            names.MESSAGING_OPERATION: PROCESS,
            names.MESSAGING_OPERATION_TYPE: PROCESS,
            names.MESSAGING_DESTINATION: topic,
        },
        (
            names.MESSAGING_GROUP,
            names.MESSAGING_PARTITION,
            names.KAFKA_OFFSET,
            names.ORDER_ID,
            names.EVENT_ID,
            names.EVENT_TYPE,
            names.DUPLICATE,
            names.ERROR_TYPE,
        ),
    )
    for topic in topics.EVENT_TOPICS
}
COUNT_BATCH = SpanType(
    "INSERT processed_events",
    Kind.CLIENT,
    {
        names.DB_SYSTEM: names.POSTGRESQL,
        names.DB_NAMESPACE: "analytics",
        names.DB_OPERATION: "INSERT",
        names.DB_COLLECTION: "processed_events",
    },
    (names.DB_BATCH_SIZE,),
)


class Processed(NamedTuple):
    """A sampled record of a batch: the span of its sending, where it is, and what it was."""

    sent: TraceContext
    place: tuple[str, int, int]
    order_id: str | None
    event_id: str | None
    event_type: int | None
    duplicate: bool = False
    # The reason of a dead letter.
    error: str | None = None


def record_spans(batch: Batch, counted: Counted, group: str, received_ns: int, transaction: tuple[int, int]) -> None:
    """Record the spans of a batch that was committed, if it has sampled records.

    `received_ns` is when the worker had read the batch, and `transaction` when its transaction began and ended, in
    nanoseconds since 1970.
    """
    if not TRACER.enabled:
        return
    found = [*sampled_events(batch, counted), *sampled_letters(batch)]
    if not found:
        return
    context = new_trace()
    spans = [child_of(each.sent) for each in found]
    for each, span in zip(found, spans, strict=True):
        topic, partition, offset = each.place
        kind = None if each.event_type is None else EventType.Name(each.event_type)
        duplicate = True if each.duplicate else None
        values = (group, str(partition), offset, each.order_id, each.event_id, kind, duplicate, each.error)
        times = (received_ns, transaction[1])
        error = None if each.error is None else ""
        TRACER.record(PROCESSES[topic], span, each.sent.span_id, times, values, [context], error)
    size = len(batch.events)
    TRACER.record(COUNT_BATCH, context, "", transaction, (size if size > 1 else None,), spans)


def sampled_events(batch: Batch, counted: Counted) -> Iterator[Processed]:
    """Yield the sampled events of a batch."""
    if not batch.sampled:
        return
    new_ids = {event.event_id for event in counted.events}
    for event, place in zip(batch.events, batch.places, strict=True):
        sent = batch.sampled.get(event.event_id)
        if sent is not None:
            where = (topics.topic_of(event.type), *place)
            duplicate = event.event_id not in new_ids
            yield Processed(sent, where, event.order_id, event.event_id, event.type, duplicate)


def sampled_letters(batch: Batch) -> Iterator[Processed]:
    """Yield the sampled records of a batch that became dead letters."""
    for letter in batch.dead_letters:
        sent = sampled_context(letter.headers) if letter.headers else None
        if sent is not None:
            rejected = letter.rejection
            yield Processed(
                sent,
                letter.place,
                letter.order_id,
                rejected.event_id,
                rejected.event_type,
                error=rejected.reason.value,
            )
