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


def span_of(method: str, metadata: Metadata) -> ServerSpan | None:
    """Begin the span of a call whose trace is sampled; None for others, and while the tracer is off."""
    if not TRACER.enabled or (caller := trace_context.sampled_caller(metadata)) is None:
        return None
    return ServerSpan(method, caller, baggage.from_metadata(metadata))


def traced_async(handler: Handler, span: ServerSpan) -> Handler:
    """Return the handler of one call of an asyncio server, with its span."""
    if handler.unary_unary:
        call = async_unary(handler.unary_unary, lambda _: span)
        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)
    if handler.unary_stream:
        streamed = async_stream(handler.unary_stream, span)
        return grpc.unary_stream_rpc_method_handler(streamed, handler.request_deserializer, handler.response_serializer)
    return handler


def lane_handler(method: str, handler: Handler) -> Handler:
    """Return the unary handler of a server without interceptors, with spans of sampled calls."""
    if not TRACER.enabled or not handler.unary_unary:
        return handler
    call = async_unary(handler.unary_unary, lambda context: span_of(method, context.invocation_metadata()))
    return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)


def async_unary(inner: Callable[..., Any], begin: Callable[[Any], ServerSpan | None]) -> Callable[..., Any]:
    """Return the unary handler with the span that `begin` returns for a context, if any."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        span, status = begin(context), OK
        if span is None:
            return await inner(request, context)
        with span:
            try:
                return await inner(request, context)
            except BaseException as error:
                status = status_of(error, context)
                raise
            finally:
                span.end(status)
                # As in runtime.grpc.async_errors: an abort keeps this frame.
                del request, context

    return call


def async_stream(inner: Callable[..., Any], span: ServerSpan) -> Callable[..., Any]:
    """Return the handler of one call that streams responses, with its span."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        status = OK
        with span:
            try:
                async for response in inner(request, context):
                    yield response
            except BaseException as error:
                status = status_of(error, context)
                raise
            finally:
                span.end(status)
                del request, context

    return call


def traced_sync(handler: Handler, span: ServerSpan) -> Handler:
    """Return the handler of one call of a threaded server, with its span."""
    if handler.unary_unary:
        call = sync_unary(handler.unary_unary, span)
        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)
    if handler.unary_stream:
        streamed = sync_stream(handler.unary_stream, span)
        return grpc.unary_stream_rpc_method_handler(streamed, handler.request_deserializer, handler.response_serializer)
    return handler


def sync_unary(inner: Callable[..., Any], span: ServerSpan) -> Callable[..., Any]:
    """Return the unary handler of one call, with its span."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        status = OK
        with span:
            try:
                response = inner(request, context)
                if not context.is_active():
                    status = cancelled_code(context).name
                return response
            except BaseException as error:
                status = status_of(error, context)
                raise
            finally:
                span.end(status)

    return call


def sync_stream(inner: Callable[..., Any], span: ServerSpan) -> Callable[..., Any]:
    """Return the handler of one call that streams responses, with its span.

    Its responses may be made by different threads: what runs in the handler does not find the span.
    """

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        status = OK
        try:
            yield from inner(request, context)
        except BaseException as error:
            status = status_of(error, context)
            raise
        finally:
            span.end(status)

    return call


def status_of(error: BaseException, context: Any) -> str:
    """Return the name of the status of a call whose handler raised."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return cancelled_code(context).name
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else NAMES.get(code, grpc.StatusCode.UNKNOWN.name)
