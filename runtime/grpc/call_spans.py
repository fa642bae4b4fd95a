"""The spans of calls whose traces are sampled, around their handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from runtime.grpc.call_ends import Handler, cancelled_code
from runtime.telemetry import trace_context
from runtime.telemetry.trace_context import Metadata
from runtime.telemetry.tracing import baggage
from runtime.telemetry.tracing.server_span import ServerSpan
from runtime.telemetry.tracing.tracer import TRACER

# The context of an asyncio call has the number of a status.
NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
OK = grpc.StatusCode.OK.name
Call = Callable[..., Any]


def span_of(method: str, metadata: Metadata) -> ServerSpan | None:
    """Begin the span of a call whose trace is sampled; None for others, and while the tracer is off."""
    if not TRACER.enabled or (caller := trace_context.sampled_caller(metadata)) is None:
        return None
    return ServerSpan(method, caller, baggage.from_metadata(metadata))


def traced_async(handler: Handler, span: ServerSpan) -> Handler:
    """Return the handler of one call of an asyncio server, with its span."""
    return rewrapped(handler, lambda inner: async_unary(inner, lambda _: span), lambda inner: async_stream(inner, span))


def traced_sync(handler: Handler, span: ServerSpan) -> Handler:
    """Return the handler of one call of a threaded server, with its span."""
    return rewrapped(handler, lambda inner: sync_unary(inner, span), lambda inner: sync_stream(inner, span))


def lane_handler(method: str, handler: Handler) -> Handler:
    """Return the unary handler of a server without interceptors, with spans of sampled calls."""
    if not TRACER.enabled or not handler.unary_unary:
        return handler
    begin = lambda context: span_of(method, context.invocation_metadata())  # noqa: E731  # of each call
    return rewrapped(handler, lambda inner: async_unary(inner, begin), lambda inner: inner)


def rewrapped(handler: Handler, unary: Callable[[Call], Call], stream: Callable[[Call], Call]) -> Handler:
    """Return a handler with what it calls replaced; one of a stream of requests stays as it is."""
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            stream(handler.unary_stream), handler.request_deserializer, handler.response_serializer
        )
    return handler


class Ending:
    """Ends the span of a call with the status that the call ends with."""

    __slots__ = ("_context", "_span", "status")

    def __init__(self, span: ServerSpan, context: Any) -> None:
        self._span = span
        self._context = context
        self.status = OK

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._span.end(self.status if error is None else status_of(error, self._context))


def async_unary(inner: Call, begin: Callable[[Any], ServerSpan | None]) -> Call:
    """Return the unary handler with the span that `begin` returns for a context, if any."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        span = begin(context)
        if span is None:
            return await inner(request, context)
        try:
            with span, Ending(span, context):
                return await inner(request, context)
        finally:
            # As in runtime.grpc.async_errors: an abort keeps this frame.
            del request, context

    return call


def async_stream(inner: Call, span: ServerSpan) -> Call:
    """Return the handler of one call that streams responses, with its span."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            with span, Ending(span, context):
                async for response in inner(request, context):
                    yield response
        finally:
            del request, context

    return call


def sync_unary(inner: Call, span: ServerSpan) -> Call:
    """Return the unary handler of one call, with its span."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        with span, Ending(span, context) as ending:
            response = inner(request, context)
            if not context.is_active():
                ending.status = cancelled_code(context).name
            return response

    return call


def sync_stream(inner: Call, span: ServerSpan) -> Call:
    """Return the handler of one call that streams responses, with its span.

    Its responses may be made by different threads: what runs in the handler does not find the span.
    """

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        with Ending(span, context):
            yield from inner(request, context)

    return call


def status_of(error: BaseException, context: Any) -> str:
    """Return the name of the status of a call whose handler raised."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return cancelled_code(context).name
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else NAMES.get(code, grpc.StatusCode.UNKNOWN.name)
