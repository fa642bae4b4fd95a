"""Spans of OTLP become Zipkin's JSON with every id, time and attribute."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stack.observe.spans.zipkin_format import MAX_TAG_CHARACTERS, plain, translated

TRACE, PARENT, OWN = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))


def attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def request(*spans: Span, service: str = "orders") -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    if service:
        group.resource.attributes.append(attribute("service.name", service))
    scoped = group.scope_spans.add()
    scoped.scope.name = "ordermesh"
    scoped.spans.extend(spans)
    return made


def span(**fields: object) -> Span:
    known = {
        "trace_id": TRACE,
        "span_id": OWN,
        "name": "place",
        "start_time_unix_nano": 5_000,
        "end_time_unix_nano": 9_000,
    }
    return Span(**known | fields)


def test_a_span_keeps_its_ids_times_service_and_attributes() -> None:
    original = span(
        parent_span_id=PARENT,
        kind=Span.SPAN_KIND_PRODUCER,
        attributes=[attribute("messaging.destination.name", "order-events")],
        events=[Span.Event(time_unix_nano=7_000, name="sent", attributes=[attribute("partition", "3")])],
    )
    (found,) = translated(request(original))
    assert found == {
        "traceId": "000102030405060708090a0b0c0d0e0f",
        "id": "08090a0b0c0d0e0f",
        "parentId": "0001020304050607",
        "name": "place",
        "kind": "PRODUCER",
        "timestamp": 5,
        "duration": 4,
        "localEndpoint": {"serviceName": "orders"},
        "remoteEndpoint": {"serviceName": "order-events"},
        "tags": {"messaging.destination.name": "order-events", "otel.scope.name": "ordermesh"},
        "annotations": [{"timestamp": 7, "value": '"sent": {"partition": "3"}'}],
    }


def test_a_span_of_a_failure_is_shown_as_one() -> None:
    failed = span(status=Status(code=Status.STATUS_CODE_ERROR, message="no broker"))
    without_words = span(status=Status(code=Status.STATUS_CODE_ERROR))
    named = span(status=Status(code=Status.STATUS_CODE_ERROR, message="x"), attributes=[attribute("error", "timeout")])
    tags = [one["tags"] for one in translated(request(failed, without_words, named))]
    assert [one["error"] for one in tags] == ["no broker", "true", "timeout"]
    assert {one["otel.status_code"] for one in tags} == {"ERROR"}


def test_a_link_is_a_tag_and_a_span_lasts_at_least_a_microsecond() -> None:
    linked = span(links=[Span.Link(trace_id=TRACE, span_id=PARENT)], end_time_unix_nano=5_000)
    (found,) = translated(request(linked, service=""))
    assert found["tags"]["otlp.link.0"] == f"{TRACE.hex()}|{PARENT.hex()}"
    assert found["duration"] == 1
    assert found["localEndpoint"] == {"serviceName": "unknown_service"}
    assert "parentId" not in found
    assert "kind" not in found


def test_a_span_without_valid_ids_is_left_out() -> None:
    assert list(translated(request(span(trace_id=b""), span(span_id=b"12")))) == []


def test_values_are_those_of_json_and_texts_have_a_limit() -> None:
    values = [AnyValue(int_value=3), AnyValue(bool_value=True), AnyValue(bytes_value=b"\1\2"), AnyValue()]
    assert plain(AnyValue(array_value=ArrayValue(values=values))) == [3, True, "0102", ""]
    (found,) = translated(request(span(attributes=[attribute("long", "x" * 10_000)])))
    assert len(found["tags"]["long"]) == MAX_TAG_CHARACTERS
