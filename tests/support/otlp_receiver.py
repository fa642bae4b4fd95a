"""A collector for tests: takes spans by OTLP over gRPC on a Unix socket or a port of loopback, and keeps them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from waiting import await_true

KINDS = trace_pb2.Span.SpanKind


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as a trace store has it: ids in hex, times in nanoseconds since 1970."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    failed: bool
    resource: dict[str, Any] = field(repr=False)


@dataclass
class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """The spans that were received, the metadata of the calls, and an answer to give instead of OK."""

    endpoint: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    refuse_with: grpc.StatusCode | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        with self.lock:
            self.calls.append(dict(context.invocation_metadata()))
            if self.refuse_with is None:
                self.spans += spans_of(request)
        if self.refuse_with is not None:
            context.abort(self.refuse_with, "as the test wants it")
        return trace_service_pb2.ExportTraceServiceResponse()

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Return the spans of a trace, in the order of their starts."""
        with self.lock:
            return sorted((one for one in self.spans if one.trace_id == trace_id), key=lambda one: one.start_ns)

    def await_span(self, trace_id: str, name: str) -> ReceivedSpan:
        """Wait for the span of a trace with a name, and return it."""
        found: list[ReceivedSpan] = []

        def arrived() -> bool:
            found[:] = [one for one in self.trace(trace_id) if one.name == name]
            return bool(found)

        await_true(arrived, lambda: f"{name} arrives; there are {[one.name for one in self.trace(trace_id)]}")
        return found[0]


def spans_of(request: trace_service_pb2.ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    """Yield the spans of a request."""
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield ReceivedSpan(
                    str(resource["service.name"]),
                    span.name,
                    KINDS.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    attributes(span.attributes),
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    resource,
                )


def attributes(pairs: Any) -> dict[str, Any]:
    """Return attributes by key."""
    return {pair.key: value_of(pair) for pair in pairs}


def value_of(pair: KeyValue) -> Any:
    value: AnyValue = pair.value
    return getattr(value, value.WhichOneof("value") or "string_value")


@contextmanager
def otlp_receiver(
    address: str = "127.0.0.1:0",
    bind: Callable[[grpc.Server, str], int] = lambda server, address: server.add_insecure_port(address),
) -> Iterator[OtlpReceiver]:
    """Run a collector at an address, host:port or unix:/path; port 0 is a free one."""
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    port = bind(server, address)
    receiver = OtlpReceiver(address if address.startswith("unix:") else f"http://127.0.0.1:{port}")
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
