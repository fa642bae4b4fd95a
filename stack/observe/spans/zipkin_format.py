"""Translates spans of OTLP into Zipkin's JSON, by OpenTelemetry's mapping to Zipkin. Pure.

https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/ . Zipkin has no links: each becomes a tag with the
ids of trace and span.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

KINDS = {
    Span.SPAN_KIND_SERVER: "SERVER",
    Span.SPAN_KIND_CLIENT: "CLIENT",
    Span.SPAN_KIND_PRODUCER: "PRODUCER",
    Span.SPAN_KIND_CONSUMER: "CONSUMER",
}
STATUS = {Status.STATUS_CODE_OK: "OK", Status.STATUS_CODE_ERROR: "ERROR"}
SERVICE_NAME = "service.name"
# What names the other side of a call, the first that is there.
PEERS = ("peer.service", "server.address", "network.peer.address", "messaging.destination.name", "db.system.name")
WITH_A_PEER = (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER)
TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
NS_IN_US = 1000
MAX_TAG_CHARACTERS = 4096
ZipkinSpan = dict[str, Any]


def translated(request: ExportTraceServiceRequest) -> Iterator[ZipkinSpan]:
    """Yield the spans of a request; those without valid ids are left out."""
    for group in request.resource_spans:
        names = (one.value.string_value for one in group.resource.attributes if one.key == SERVICE_NAME)
        service = next(names, "unknown_service")
        for scoped in group.scope_spans:
            for span in scoped.spans:
                if len(span.trace_id) == TRACE_ID_BYTES and len(span.span_id) == SPAN_ID_BYTES:
                    yield zipkin_span(span, service, scoped.scope)


def zipkin_span(span: Span, service: str, scope: InstrumentationScope) -> ZipkinSpan:
    """Return a span in Zipkin's form; times are in microseconds."""
    known: ZipkinSpan = {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "name": span.name,
        "timestamp": span.start_time_unix_nano // NS_IN_US,
        "duration": max(1, (span.end_time_unix_nano - span.start_time_unix_nano) // NS_IN_US),
        "localEndpoint": {"serviceName": service},
        "tags": tags(span, scope),
        "annotations": [
            {"timestamp": event.time_unix_nano // NS_IN_US, "value": annotation(event.name, event.attributes)}
            for event in span.events
        ],
    }
    if span.parent_span_id:
        known["parentId"] = span.parent_span_id.hex()
    if span.kind in KINDS:
        known["kind"] = KINDS[span.kind]
    peers = {name: known["tags"][name] for name in PEERS if name in known["tags"]}
    if span.kind in WITH_A_PEER and peers:
        known["remoteEndpoint"] = {"serviceName": next(iter(peers.values()))}
    return known


def tags(span: Span, scope: InstrumentationScope) -> dict[str, str]:
    """Return the tags: attributes, scope, status and links."""
    found = {one.key: text(one.value) for one in span.attributes}
    found |= {f"otel.scope.{name}": value for name in ("name", "version") if (value := getattr(scope, name))}
    if span.status.code in STATUS:
        found["otel.status_code"] = STATUS[span.status.code]
    if span.status.code == Status.STATUS_CODE_ERROR:
        # Zipkin's page shows a span with this tag as failed.
        found.setdefault("error", span.status.message or "true")
    found |= {f"otlp.link.{n}": f"{link.trace_id.hex()}|{link.span_id.hex()}" for n, link in enumerate(span.links)}
    return {key: value[:MAX_TAG_CHARACTERS] for key, value in found.items()}


def annotation(name: str, attributes: Iterable[KeyValue]) -> str:
    """Return an event as a text: its name, with its attributes as JSON."""
    values = {one.key: plain(one.value) for one in attributes}
    return (f'"{name}": {json.dumps(values)}' if values else name)[:MAX_TAG_CHARACTERS]


def text(value: AnyValue) -> str:
    """Return the value of an attribute as a text: lists and maps as JSON."""
    known = plain(value)
    return known if isinstance(known, str) else json.dumps(known)


def plain(value: AnyValue) -> Any:
    """Return the value of an attribute as JSON has it; bytes as hex."""
    match value.WhichOneof("value"):
        case "array_value":
            return [plain(one) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key: plain(one.value) for one in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return ""
        case name:
            return getattr(value, name)
