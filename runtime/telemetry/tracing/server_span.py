"""The span of the call that runs, in a server, if its trace is sampled."""

from __future__ import annotations

import time
from contextvars import ContextVar

from runtime.telemetry import trace_context
from runtime.telemetry.logs import current_trace
from runtime.telemetry.metrics.call_durations import show_call
from runtime.telemetry.trace_context import Metadata, TraceContext
from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.baggage import HEADER
from runtime.telemetry.tracing.otlp import Kind, SpanType
from runtime.telemetry.tracing.tracer import TRACER, child_of

# Statuses that are a fault of the server, by the conventions for gRPC; others are the client's.
FAULTS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
_TYPES: dict[str, SpanType] = {}


class ServerSpan:
    """The span of a call, from when its handler begins; others add what they know of it before it ends."""

    __slots__ = ("_method", "_parent_id", "_started_ns", "baggage", "context", "links", "order_id")

    def __init__(self, method: str, caller: TraceContext, baggage: str = "") -> None:
        self.context = child_of(caller)
        self.baggage = baggage
        # The spans of batches that this call was a part of.
        self.links: list[TraceContext] = []
        self.order_id: str | None = None
        self._method = method
        self._parent_id = caller.span_id
        self._started_ns = time.time_ns()

    def __enter__(self) -> ServerSpan:
        _CURRENT.set(self)
        current_trace.CURRENT.set(self.context)
        return self

    def __exit__(self, *_: object) -> None:
        # Not reset with a token: a stream that is given up ends in another context.
        _CURRENT.set(None)
        current_trace.CURRENT.set(None)

    def end(self, status: str) -> None:
        """Record the span with the name of the call's status code."""
        failed = status in FAULTS
        values = (status, status if failed else None, self.order_id)
        times = (self._started_ns, time.time_ns())
        show_call(self._method, status, (times[1] - times[0]) / 1e9, self.context.trace_id)
        TRACER.record(
            type_of(self._method), self.context, self._parent_id, times, values, self.links, "" if failed else None
        )


_CURRENT: ContextVar[ServerSpan | None] = ContextVar("server_span", default=None)


def current() -> ServerSpan | None:
    """Return the span of the call that runs, None unless its trace is sampled."""
    return _CURRENT.get()


def add_order(order_id: str) -> None:
    """Add the id of its order to the span of the call that runs, if it has one."""
    span = _CURRENT.get()
    if span is not None:
        span.order_id = order_id


def trace_of(metadata: Metadata) -> TraceContext:
    """Return the trace context of the call that runs: that of its span, else of its metadata, else a new one."""
    span = _CURRENT.get()
    return trace_context.from_metadata(metadata) if span is None else span.context


def baggage() -> str:
    """Return the baggage of the call that runs, empty without a span."""
    span = _CURRENT.get()
    return "" if span is None else span.baggage


def metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata by which a call to another service continues the trace of the call that runs."""
    span = _CURRENT.get()
    if span is None:
        return ()
    carried = ((HEADER, span.baggage),) if span.baggage else ()
    return (("traceparent", span.context.traceparent), *carried)


def type_of(method: str) -> SpanType:
    """Return the type of the spans of a method, `/package.Service/Method`, which exists."""
    if method not in _TYPES:
        name = method[1:]
        keys = (names.RPC_STATUS, names.ERROR_TYPE, names.ORDER_ID)
        _TYPES[method] = SpanType(name, Kind.SERVER, {names.RPC_SYSTEM: names.GRPC, names.RPC_METHOD: name}, keys)
    return _TYPES[method]
