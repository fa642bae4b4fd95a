"""The encoder of spans, with the messages of OpenTelemetry's protocol and its SDK as the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from runtime.telemetry.tracing.otlp import Envelope, Kind, SpanType, Value

IDS = st.integers(1, 2**64 - 1)
TRACE_IDS = st.integers(1, 2**128 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VALUES = st.one_of(TEXTS, st.integers(-(2**63), 2**63 - 1), st.booleans())
ATTRIBUTES = st.dictionaries(TEXTS.filter(bool), VALUES, max_size=5)
TIMES = st.integers(0, 2**63 - 1)
KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


def context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def by_the_sdk(resource: dict[str, Value], **span: Any) -> ExportTraceServiceRequest:
    """Return what the SDK sends for a span, without what it adds: flags, and the status of a span without one."""
    scope = InstrumentationScope("ordermesh", "1.2")
    request = encode_spans([ReadableSpan(resource=Resource(resource), instrumentation_scope=scope, **span)])
    for encoded in request.resource_spans[0].scope_spans[0].spans:
        encoded.ClearField("flags")
        for link in encoded.links:
            link.ClearField("flags")
        if not encoded.status.code:
            encoded.ClearField("status")
    return request


@given(
    ids=st.tuples(TRACE_IDS, IDS, st.one_of(st.none(), IDS)),
    name=TEXTS,
    kind=st.sampled_from(list(Kind)),
    times=st.tuples(TIMES, TIMES),
    parts=st.tuples(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES),
    links=st.lists(st.tuples(TRACE_IDS, IDS), max_size=3),
    error=st.one_of(st.none(), TEXTS),
)
def test_a_span_is_encoded_as_the_sdk_encodes_it(
    ids: tuple[int, int, int | None],
    name: str,
    kind: Kind,
    times: tuple[int, int],
    parts: tuple[dict[str, Value], dict[str, Value], dict[str, Value]],
    links: list[tuple[int, int]],
    error: str | None,
) -> None:
    (trace_id, span_id, parent_id), (resource, fixed, own) = ids, parts
    own = {key: value for key, value in own.items() if key not in fixed}
    spans = SpanType(name, kind, fixed, list(own)).encode(
        f"{trace_id:032x}",
        f"{span_id:016x}",
        "" if parent_id is None else f"{parent_id:016x}",
        times,
        list(own.values()),
        [(f"{one:032x}", f"{other:016x}") for one, other in links],
        error,
    )
    expected = by_the_sdk(
        resource,
        name=name,
        context=context(trace_id, span_id),
        parent=None if parent_id is None else context(trace_id, parent_id),
        kind=KINDS[kind],
        start_time=times[0],
        end_time=times[1],
        attributes=fixed | own,
        links=[Link(context(*each)) for each in links],
        status=Status(StatusCode.UNSET if error is None else StatusCode.ERROR, error or None),
    )
    assert ExportTraceServiceRequest.FromString(Envelope(resource, "ordermesh", "1.2").request([spans])) == expected


def test_a_value_of_none_is_no_attribute_and_spans_share_an_envelope() -> None:
    kind = SpanType("one", Kind.SERVER, {}, ["a", "b"])
    spans = [kind.encode("1" * 32, f"{n:016x}", "", (1, 2), (None, n)) for n in (1, 2)]
    request = ExportTraceServiceRequest.FromString(Envelope({"service.name": "s"}, "x", "1").request(spans))
    found = request.resource_spans[0].scope_spans[0].spans
    assert [[(one.key, one.value.int_value) for one in span.attributes] for span in found] == [[("b", 1)], [("b", 2)]]


def test_as_many_values_as_keys_are_required() -> None:
    with pytest.raises(ValueError, match="shorter"):
        SpanType("one", Kind.SERVER, {}, ["a", "b"]).encode("1" * 32, "2" * 16, "", (1, 2), ("x",))
