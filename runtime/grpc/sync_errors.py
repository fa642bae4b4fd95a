"""The interceptor of threaded servers: checks callers, maps errors to statuses and measures calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc

from runtime.authentication import Authentication
from runtime.grpc import call_spans
from runtime.grpc.call_ends import Details, Handler, decoded, deserializer, ended, observe, observe_cancelled
from runtime.identity import access


class SyncErrors(grpc.ServerInterceptor):
    """Checks callers, maps errors to statuses and measures calls on threaded servers."""

    def __init__(self, authentication: Authentication = "off") -> None:
        self._authentication = authentication

    def intercept_service(self, continuation: Callable[[Details], Handler | None], details: Details) -> Handler | None:
        """Return the method's handler, wrapped; of a sampled call, with its span."""
        handler = continuation(details)
        if handler is None:
            return None
        wrapped = wrap_sync(details.method, handler, self._authentication)
        span = call_spans.span_of(details.method, details.invocation_metadata)
        return wrapped if span is None else call_spans.traced_sync(wrapped, span)


def wrap_sync(method: str, handler: Handler, authentication: Authentication) -> Handler:
    """Wrap a handler; one of a stream of requests stays as it is."""
    check = access.guard(method, authentication)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            sync_call(method, handler.unary_unary, check), deserializer(handler), handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            sync_stream(method, handler.unary_stream, check), deserializer(handler), handler.response_serializer
        )
    return handler


def sync_call(method: str, inner: Callable[..., Any], check: access.Guard) -> Callable[..., Any]:
    """Return the unary handler with errors mapped."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        started = time.perf_counter()
        try:
            check(context.invocation_metadata)
            response = inner(decoded(request), context)
        except Exception as error:
            sync_abort(method, context, error, started)
        if context.is_active():
            observe(method, grpc.StatusCode.OK, started)
        else:
            observe_cancelled(method, context, started)
        return response

    return call


def sync_stream(method: str, inner: Callable[..., Any], check: access.Guard) -> Callable[..., Any]:
    """Return the server-streaming handler with errors mapped."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        started = time.perf_counter()
        try:
            check(context.invocation_metadata)
            yield from inner(decoded(request), context)
        except GeneratorExit:
            observe_cancelled(method, context, started)
            raise
        except Exception as error:
            sync_abort(method, context, error, started)
        observe(method, grpc.StatusCode.OK, started)

    return call


def sync_abort(method: str, context: grpc.ServicerContext, error: Exception, started: float) -> None:
    """End the call with the status of the error; always raises."""
    context.abort_with_status(ended(method, error, context.invocation_metadata(), started))
