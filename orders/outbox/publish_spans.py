"""The spans of sampled events on their way out of the outbox: the wait, the sending, and the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from orders.outbox.unsent_event import DESTINATIONS, UnsentEvent, has_sequence
from runtime.kafka import topics
from runtime.telemetry import metrics, trace_context
from runtime.telemetry.metrics.exemplars import EXEMPLARS
from runtime.telemetry.trace_context import TraceContext
from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.otlp import Kind, SpanType
from runtime.telemetry.tracing.tracer import TRACER, child_of, new_trace

SEND = "send"
WAIT = SpanType("outbox wait", Kind.INTERNAL, {}, (names.OUTBOX_ID, names.ORDER_ID))
SENDS = {
    topic: SpanType(
        f"{SEND} {topic}",
        Kind.PRODUCER,
        {
            names.MESSAGING_SYSTEM: names.KAFKA,
            names.MESSAGING_OPERATION: SEND,
            names.MESSAGING_OPERATION_TYPE: SEND,
            names.MESSAGING_DESTINATION: topic,
        },
        (names.KAFKA_KEY, names.MESSAGING_SIZE, names.EVENT_TYPE, names.ERROR_TYPE),
    )
    for topic in topics.EVENT_TOPICS
}
BATCH = SpanType("publish batch", Kind.INTERNAL, {names.MESSAGING_SYSTEM: names.KAFKA}, (names.MESSAGING_BATCH,))


class Sending(NamedTuple):
    """A sampled event that was sent: the span of its wait, that of its sending, and when it was sent."""

    event: UnsentEvent
    parent: TraceContext
    wait: TraceContext
    send: TraceContext
    sent_ns: int


class PublishSpans:
    """The spans of events that were sent and whose result is not known yet; `now_ns` is the time of the database."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._sending: dict[int, Sending] = {}

    def traceparent(self, event: UnsentEvent) -> str:
        """Return the trace context for the record of an event: of a sampled one, that of the span of its sending."""
        if not TRACER.enabled:
            return event.traceparent
        parent = trace_context.sampled(event.traceparent)
        if parent is None:
            return event.traceparent
        wait = TraceContext(parent.trace_id, wait_id(event.id), True)
        sending = Sending(event, parent, wait, child_of(wait), self._now_ns())
        self._sending[event.id] = sending
        return sending.send.traceparent

    def end(self, errors: Mapping[int, str], dead: Collection[int], events: int) -> None:
        """Record the spans of the batch: its number of events, the error types of failed ones by id, and the dead ones.

        The wait ends with the acknowledgement, or with the rejection of a dead event; else the event is sent again.
        """
        if not self._sending:
            return
        now_ns, batch, sent = self._now_ns(), new_trace(), list(self._sending.values())
        for each in sent:
            error = errors.get(each.event.id)
            record_send(each, now_ns, batch, error)
            if error is None or each.event.id in dead:
                record_wait(each, now_ns, None if error is None else "")
        links = [each.send for each in sent]
        TRACER.record(BATCH, batch, "", (sent[0].sent_ns, now_ns), (events,), links)
        self._sending.clear()

    def fail(self, error: str) -> None:
        """Record that the batch was not acknowledged; its events are sent again."""
        self.end(dict.fromkeys(self._sending, error), (), len(self._sending))


def record_send(each: Sending, now_ns: int, batch: TraceContext, error: str | None) -> None:
    """Record the span of one attempt to send an event."""
    event, (topic, headers) = each.event, DESTINATIONS[each.event.event_type]
    values = (event.key, len(event.payload), headers[0][1], error)
    failed = None if error is None else ""
    TRACER.record(SENDS[topic], each.send, each.wait.span_id, (each.sent_ns, now_ns), values, [batch], failed)


def record_wait(each: Sending, now_ns: int, error: str | None) -> None:
    """Record the span of the wait in the outbox, from the commit on."""
    event = each.event
    values = (event.id, event.key if has_sequence(event) else None)
    TRACER.record(WAIT, each.wait, each.parent.span_id, (event.occur_us * 1000, now_ns), values, (), error)
    if error is None:
        seconds = max(now_ns / 1e9 - event.occur_us / 1e6, 0)
        EXEMPLARS.put(metrics.PUBLISH_DELAY, (), seconds, each.wait.trace_id)


def wait_id(outbox_id: int) -> str:
    """Return the id of the span of an event's wait, the same for every publisher that tries to send it."""
    return hashlib.blake2b(outbox_id.to_bytes(8, "big"), digest_size=8).hexdigest()
