"""The spans of events on their way to Kafka: what an acknowledgement, an outage and a rejection leave behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ordermesh.events.v1.events_pb2 import EventType
from otlp_receiver import OtlpReceiver, otlp_receiver

from orders.outbox.publish_spans import PublishSpans
from orders.outbox.unsent_event import UnsentEvent, headers_of
from runtime.telemetry import trace_context
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.telemetry.tracing.tracer import TRACER

SAMPLED = f"00-{'a' * 32}-{'b' * 16}-01"
UNSAMPLED = f"00-{'a' * 32}-{'b' * 16}-00"
COMMIT_US, NOW_NS = 1_800_000_000_000_000, 1_800_000_000_250_000_000


def event(number: int = 1, traceparent: str = SAMPLED, baggage: str | None = None) -> UnsentEvent:
    return UnsentEvent(number, 0, EventType.ORDER_CREATED, f"order-{number}", b"12345", traceparent, COMMIT_US, baggage)


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


def spans() -> PublishSpans:
    return PublishSpans(lambda: NOW_NS)


def exporting(collector: OtlpReceiver) -> TracingSettings:
    return TracingSettings(otlp_endpoint=collector.endpoint)


def test_an_acknowledged_event_has_its_wait_and_its_sending_and_the_header_names_the_latter(
    collector: OtlpReceiver,
) -> None:
    with TRACER.started("publisher", exporting(collector)):
        made = spans()
        header = trace_context.parse(made.traceparent(event()))
        made.end({}, (), 3)
    assert header is not None
    by_name = {one.name: one for one in collector.spans}
    wait, send, batch = (by_name[name] for name in ("outbox wait", "send order-events", "publish batch"))
    assert (header.trace_id, header.span_id, header.sampled) == (send.trace_id, send.span_id, True)
    assert (send.parent_id, wait.parent_id, batch.parent_id) == (wait.span_id, "b" * 16, "")
    assert (wait.start_ns, wait.end_ns) == (COMMIT_US * 1000, NOW_NS)
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert batch.links == [(send.trace_id, send.span_id)]
    assert send.attributes["messaging.message.body.size"] == 5


def test_attempts_have_one_wait_as_their_parent_whoever_makes_them(collector: OtlpReceiver) -> None:
    with TRACER.started("publisher", exporting(collector)):
        first, second = spans(), spans()
        first.traceparent(event())
        first.fail("KafkaUnavailable")
        second.traceparent(event())
        second.end({}, (), 1)
    failed, sent = (one for one in collector.spans if one.name == "send order-events")
    assert (failed.failed, failed.attributes["error.type"]) == (True, "KafkaUnavailable")
    assert not sent.failed
    (wait,) = (one for one in collector.spans if one.name == "outbox wait")
    assert failed.parent_id == sent.parent_id == wait.span_id
    assert failed.span_id != sent.span_id


def test_a_dead_event_ends_its_wait_with_an_error_and_one_that_is_sent_alone_goes_on_waiting(
    collector: OtlpReceiver,
) -> None:
    with TRACER.started("publisher", exporting(collector)):
        made = spans()
        for number in (1, 2):
            made.traceparent(event(number))
        made.end({1: "rejected", 2: "batch_rejected"}, {1}, 2)
    assert [one.attributes["error.type"] for one in collector.spans if one.name == "send order-events"] == [
        "rejected",
        "batch_rejected",
    ]
    (wait,) = (one for one in collector.spans if one.name == "outbox wait")
    assert (wait.attributes["ordermesh.order.id"], wait.failed) == ("order-1", True)


@pytest.mark.parametrize("traceparent", [UNSAMPLED, ""])
def test_an_event_that_is_not_sampled_keeps_its_header_and_has_no_span(
    collector: OtlpReceiver, traceparent: str
) -> None:
    with TRACER.started("publisher", exporting(collector)):
        made = spans()
        assert made.traceparent(event(traceparent=traceparent)) == traceparent
        made.end({}, (), 1)
    assert collector.calls == []


def test_with_tracing_off_a_sampled_event_keeps_its_header() -> None:
    assert spans().traceparent(event()) == SAMPLED


def test_baggage_is_a_header_of_the_events_that_have_some() -> None:
    assert ("baggage", "shop=berlin") in headers_of(EventType.ORDER_CREATED, SAMPLED, "shop=berlin")
    assert "baggage" not in dict(headers_of(EventType.ORDER_CREATED, SAMPLED, None))
