"""The interceptor of threaded servers: maps errors to statuses and measures calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc

from runtime.grpc.call_ends import Details, Handler, decoded, deserializer, ended, observe, observe_cancelled


class SyncErrors(grpc.ServerInterceptor):
    """Maps errors to statuses and measures calls on threaded servers."""

    def intercept_service(self, continuation: Callable[[Details], Handler | None], details: Details) -> Handler | None:
        """Return the method's handler, wrapped."""
        handler = continuation(details)
        if handler is None:
            return None
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                sync_call(details.method, handler.unary_unary),
                deserializer(handler),
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                sync_stream(details.method, handler.unary_stream),
                deserializer(handler),
                handler.response_serializer,
            )
        return handler


def sync_call(method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the unary handler with errors mapped."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        started = time.perf_counter()
        try:
            response = inner(decoded(request), context)
        except Exception as error:
            sync_abort(method, context, error, started)
        if context.is_active():
            observe(method, grpc.StatusCode.OK, started)
        else:
            observe_cancelled(method, context, started)
        return response

    return call


def sync_stream(method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the server-streaming handler with errors mapped."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        started = time.perf_counter()
        try:
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
