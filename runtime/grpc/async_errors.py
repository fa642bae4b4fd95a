"""The interceptor of asyncio servers: checks callers, maps errors to statuses and measures calls."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from runtime.authentication import Authentication
from runtime.grpc import call_spans
from runtime.grpc.call_ends import Check, Details, Handler, decoded, deserializer, ended, observe, observe_cancelled
from runtime.identity import access


class AsyncErrors(grpc.aio.ServerInterceptor):
    """Checks callers, maps errors to statuses and measures calls on asyncio servers.

    `checks` are those of requests before they are decoded, by the path of the method.
    """

    def __init__(self, authentication: Authentication = "off", checks: Mapping[str, Check] | None = None) -> None:
        self._authentication = authentication
        self._checks = checks or {}
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler | None]], details: Details
    ) -> Handler | None:
        """Return the method's handler, wrapped once; of a sampled call, with its span."""
        wrapped = self._wrapped.get(details.method)
        if wrapped is None:
            handler = await continuation(details)
            if handler is None:
                return None
            check = self._checks.get(details.method)
            wrapped = wrap_async(details.method, handler, self._authentication, check)
            self._wrapped[details.method] = wrapped
        span = call_spans.span_of(details.method, details.invocation_metadata)
        return wrapped if span is None else call_spans.traced_async(wrapped, span)


def wrap_async(method: str, handler: Handler, authentication: Authentication, check: Check | None = None) -> Handler:
    """Wrap a handler. One of a stream of requests calls `decoded` for each; other kinds do not exist here."""
    guard = access.guard(method, authentication)
    read = deserializer(handler, check)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            unary(method, handler.unary_unary, guard), read, handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            stream(method, handler.unary_stream, guard), read, handler.response_serializer
        )
    if handler.stream_stream:
        return grpc.stream_stream_rpc_method_handler(
            stream(method, handler.stream_stream, guard), read, handler.response_serializer
        )
    raise NotImplementedError(f"{method} has one response to a stream of requests")


def unary(method: str, inner: Callable[..., Any], guard: access.Guard) -> Callable[..., Any]:
    """Return the unary handler with errors mapped."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = time.perf_counter()
        try:
            guard(context.invocation_metadata)
            response = await inner(decoded(request), context)
        except asyncio.CancelledError:
            observe_cancelled(method, context, started)
            raise
        except grpc.aio.AbortError:
            observe(method, context.code(), started)
            raise
        except Exception as error:
            status = ended(method, error, context.invocation_metadata(), started)
        else:
            observe(method, grpc.StatusCode.OK, started)
            return response
        try:
            await context.abort(status.code, status.details, status.trailing_metadata)
        finally:
            # The context keeps the error of the abort, which refers to this frame: a cycle that would hold the request.
            del request, context

    return call


def stream(method: str, inner: Callable[..., Any], guard: access.Guard) -> Callable[..., Any]:
    """Return the handler that streams responses with errors mapped."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = time.perf_counter()
        try:
            guard(context.invocation_metadata)
            responses = inner(decoded(request), context)
            # The library's health servicer writes to the context and returns no iterator.
            if inspect.iscoroutine(responses):
                await responses
            else:
                async for response in responses:
                    yield response
        except (asyncio.CancelledError, GeneratorExit):
            observe_cancelled(method, context, started)
            raise
        except grpc.aio.AbortError:
            observe(method, context.code(), started)
            raise
        except Exception as error:
            status = ended(method, error, context.invocation_metadata(), started)
        else:
            observe(method, grpc.StatusCode.OK, started)
            return
        try:
            await context.abort(status.code, status.details, status.trailing_metadata)
        finally:
            # As for a unary call.
            del request, context

    return call
