"""The interceptor of asyncio servers: checks callers, maps errors to statuses and measures calls."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from runtime.authentication import Authentication
from runtime.grpc.call_ends import Check, Details, Handler, decoded, deserializer, ended, observe, observe_cancelled
from runtime.identity import access


class AsyncErrors(grpc.aio.ServerInterceptor):
    """Checks callers, maps errors to statuses and measures calls on asyncio servers.

    `checks` are those of requests before they are decoded, by the path of the method.
    """

    def __init__(self, authentication: Authentication = "off", checks: Mapping[str, Check] | None = None) -> None:
        self._authentication = authentication
        self._checks = checks or {}
        self._wrapped: dict[str, Handler | None] = {}

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler | None]], details: Details
    ) -> Handler | None:
        """Return the method's handler, wrapped once."""
        if details.method not in self._wrapped:
            handler = await continuation(details)
            if handler is None:
                return None
            check = self._checks.get(details.method)
            self._wrapped[details.method] = wrap_async(details.method, handler, self._authentication, check)
        return self._wrapped[details.method]


def wrap_async(method: str, handler: Handler, authentication: Authentication, check: Check | None = None) -> Handler:
    """Wrap a unary or server-streaming handler; others (reflection) are returned unchanged."""
    guard = access.guard(method, authentication)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            unary(method, handler.unary_unary, guard), deserializer(handler, check), handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            stream(method, handler.unary_stream, guard),
            deserializer(handler, check),
            handler.response_serializer,
        )
    return handler


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
            await abort(method, context, error, started)
        observe(method, grpc.StatusCode.OK, started)
        return response

    return call


def stream(method: str, inner: Callable[..., Any], guard: access.Guard) -> Callable[..., Any]:
    """Return the server-streaming handler with errors mapped."""

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
            await abort(method, context, error, started)
        observe(method, grpc.StatusCode.OK, started)

    return call


async def abort(method: str, context: grpc.aio.ServicerContext[Any, Any], error: Exception, started: float) -> None:
    """End the call with the status of the error; always raises."""
    status = ended(method, error, context.invocation_metadata(), started)
    await context.abort(status.code, status.details, status.trailing_metadata)
