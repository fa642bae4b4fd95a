"""Maps errors to gRPC statuses, in one place, and measures the duration of calls."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors
from runtime.grpc import rest_field_names
from runtime.postgres.sqlstates import ClientError, classify
from runtime.telemetry import trace_context
from runtime.telemetry.call_durations import CALL_DURATIONS
from runtime.telemetry.logging import logger

# Quoted, because the class is generic in its stub only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Details = grpc.HandlerCallDetails
Metadata: TypeAlias = "Iterable[tuple[str, str | bytes]] | None"
# A client may cancel because of its deadline just before the timer of the server fires.
DEADLINE_SLACK_SECONDS = 0.05


class HasDeadline(Protocol):
    """The part of a call context that asyncio and threaded servers share."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, None without one."""


def as_service_error(error: Exception, trace_id: str) -> errors.ServiceError:
    """Return the error for the client: a ServiceError unchanged, database errors classified, others as internal."""
    if isinstance(error, errors.ServiceError):
        return error
    client_error = classify(error).client_error
    if client_error is ClientError.OVERLOADED:
        return errors.Overloaded()
    if client_error is ClientError.UNAVAILABLE:
        logger().warning("database unavailable", error=str(error), trace_id=trace_id)
        return errors.database_unavailable()
    logger().error("handler failed", trace_id=trace_id, exc_info=error)
    return errors.ServiceError(ErrorReason.INTERNAL_FAULT, "internal error", metadata={"trace_id": trace_id})


def to_status(error: errors.ServiceError, *, over_rest: bool = False) -> Status:
    """Return the error as google.rpc.Status with details; fields have their JSON names for REST clients."""
    rename = rest_field_names.in_json if over_rest else str
    status = Status(code=error.code.value[0], message=rename(error.message))
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=ErrorReason.Name(error.reason), domain=errors.DOMAIN, metadata=error.metadata
        )
    )
    if error.violations:
        shown = error.violations[: errors.SHOWN_VIOLATIONS]
        status.details.add().Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=rename(v.field), description=rename(v.description)
                    )
                    for v in shown
                ]
            )
        )
    if error.retry_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_ms)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def observe(method: str, code: grpc.StatusCode, started: float) -> None:
    """Record the duration and status code of a call."""
    CALL_DURATIONS.add(method, code.name, time.perf_counter() - started)


def observe_cancelled(method: str, context: HasDeadline, started: float) -> None:
    """Record a call that ended by cancellation or deadline before the handler returned."""
    remaining = context.time_remaining()
    late = remaining is not None and remaining < DEADLINE_SLACK_SECONDS
    observe(method, grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED, started)


def deserializer(handler: Handler) -> Callable[[bytes], Any]:
    """Return the deserializer with a DecodeError returned instead of raised, which gRPC would map to INTERNAL."""
    inner: Callable[[bytes], Any] = handler.request_deserializer or bytes

    def deserialize(data: bytes) -> Any:
        try:
            return inner(data)
        except DecodeError as error:
            return error

    return deserialize


def decoded(request: Any) -> Any:
    """Return the request. Raises InvalidRequest when it could not be decoded."""
    if isinstance(request, DecodeError):
        rule = "must be a valid message of the contract, with strings in UTF-8"
        raise errors.InvalidRequest([errors.Violation("request", rule)]) from request
    return request


class AsyncErrors(grpc.aio.ServerInterceptor):
    """Maps errors to statuses and measures calls on asyncio servers."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler | None] = {}

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler | None]], details: Details
    ) -> Handler | None:
        """Return the method's handler, wrapped once."""
        if details.method not in self._wrapped:
            handler = await continuation(details)
            if handler is None:
                return None
            self._wrapped[details.method] = wrap_async(details.method, handler)
        return self._wrapped[details.method]


def wrap_async(method: str, handler: Handler) -> Handler:
    """Wrap a unary or server-streaming handler; others (reflection) are returned unchanged."""
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            unary(method, handler.unary_unary), deserializer(handler), handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            stream(method, handler.unary_stream),
            deserializer(handler),
            handler.response_serializer,
        )
    return handler


def unary(method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the unary handler with errors mapped."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = time.perf_counter()
        try:
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


def stream(method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the server-streaming handler with errors mapped."""

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = time.perf_counter()
        try:
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


def ended(method: str, error: Exception, metadata: Metadata, started: float) -> grpc.Status:
    """Return the status of a failed call, and record the call."""
    mapped = as_service_error(error, trace_context.from_metadata(metadata).trace_id)
    observe(method, mapped.code, started)
    return rpc_status.to_status(to_status(mapped, over_rest=rest_field_names.over_rest(metadata)))


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
