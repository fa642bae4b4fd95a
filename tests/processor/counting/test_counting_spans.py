"""The spans of a counted batch: of counted events, of those that were counted before, and of dead letters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Message
from ordermesh.events.v1.events_pb2 import EventType
from otlp_receiver import OtlpReceiver, otlp_receiver

from processor.counting.counting_spans import record_spans
from processor.counting.transaction import Counted
from processor.events.batch import Batch, DeadLetter
from processor.events.event import Event, Reason, Rejection
from runtime.telemetry.trace_context import TraceContext
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.telemetry.tracing.tracer import TRACER

SENT = [TraceContext(f"{number:032x}", f"{number:016x}", True) for number in (1, 2, 3)]
TIMES = (2_000, 3_000)


def event(number: int) -> Event:
    return Event(f"event-{number}", f"order-{number}", EventType.ORDER_CREATED, 1, 0, 1, 100, 1, ())


def batch(events: int) -> Batch:
    """Return a batch of which the first two events are sampled, and a dead letter that is."""
    made = Batch(events=[event(number) for number in range(events)])
    made.places = [(7, 40 + number) for number in range(events)]
    made.sampled = {f"event-{number}": SENT[number] for number in range(min(events, 2))}
    headers = [("traceparent", SENT[2].traceparent.encode())]
    place = ("order-events", 7, 99)
    rejection = Rejection(Reason.INVALID, "no items", "event-9", EventType.ORDER_CREATED)
    made.dead_letters = [DeadLetter(Message(topic="order-events"), place, rejection, headers)]
    return made


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


def recorded(collector: OtlpReceiver, made: Batch, counted: Counted) -> None:
    with TRACER.started("processor", TracingSettings(otlp_endpoint=collector.endpoint)):
        record_spans(made, counted, "group", 1_000, TIMES)


def test_each_sampled_record_has_a_span_until_the_commit(collector: OtlpReceiver) -> None:
    recorded(collector, batch(3), Counted([event(0), event(2)], 1, 1))
    counted, again, rejected = (one for one in collector.spans if one.name == "process order-events")
    assert [(one.trace_id, one.parent_id) for one in (counted, again, rejected)] == [
        (sent.trace_id, sent.span_id) for sent in SENT
    ]
    assert {(one.start_ns, one.end_ns) for one in (counted, again, rejected)} == {(1_000, 3_000)}
    assert counted.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "order-events",
        "messaging.consumer.group.name": "group",
        "messaging.destination.partition.id": "7",
        "messaging.kafka.offset": 40,
        "ordermesh.order.id": "order-0",
        "ordermesh.event.id": "event-0",
        "ordermesh.event.type": "ORDER_CREATED",
    }
    assert again.attributes["ordermesh.event.duplicate"] is True
    assert (rejected.failed, rejected.attributes["error.type"]) == (True, "INVALID")
    (transaction,) = (one for one in collector.spans if one.kind == "CLIENT")
    assert transaction.attributes["db.operation.batch.size"] == 3
    assert [span for _, span in transaction.links] == [one.span_id for one in (counted, again, rejected)]
    assert counted.links == [(transaction.trace_id, transaction.span_id)]


def test_a_batch_without_sampled_records_has_no_span(collector: OtlpReceiver) -> None:
    recorded(collector, Batch(events=[event(5)], places=[(7, 1)]), Counted([event(5)], 0, 0))
    assert collector.calls == []
