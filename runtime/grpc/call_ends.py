"""How a call begins and ends: its request is decoded, its error becomes a status, and its duration is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors
from runtime.grpc import rest_field_names
from runtime.grpc.error_mapping import DATABASE_OUTAGE, as_service_error, to_status
from runtime.identity import access
from runtime.telemetry import trace_context
from runtime.telemetry.metrics.call_durations import CALL_DURATIONS, UNCOUNTED

# Quoted, because the class is generic in its stub only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Details = grpc.HandlerCallDetails
# Checks a request before it is decoded. Raises InvalidRequest.
Check: TypeAlias = Callable[[bytes], None]
# A client may cancel because of its deadline just before the timer of the server fires.
DEADLINE_SLACK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands for a request that was refused before its handler. No exception: that would hold the request."""

    violations: Sequence[errors.Violation]


UNREADABLE = Refused([errors.Violation("request", "must be a valid message of the contract, with strings in UTF-8")])


class HasDeadline(Protocol):
    """The part of a call context that asyncio and threaded servers share."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, None without one."""


def observe(method: str, code: grpc.StatusCode, started: float) -> None:
    """Record the duration and status code of a call."""
    CALL_DURATIONS.add(method, code.name, time.perf_counter() - started)
    if DATABASE_OUTAGE.lasts and code is grpc.StatusCode.OK and not method.startswith(UNCOUNTED):
        DATABASE_OUTAGE.ends()


def observe_cancelled(method: str, context: HasDeadline, started: float) -> None:
    """Record a call that ended by cancellation or deadline before the handler returned."""
    observe(method, cancelled_code(context), started)


def cancelled_code(context: HasDeadline) -> grpc.StatusCode:
    """Return the status code of a call that ended before the handler returned."""
    remaining = context.time_remaining()
    late = remaining is not None and remaining < DEADLINE_SLACK_SECONDS
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED


def deserializer(handler: Handler, check: Check | None = None) -> Callable[[bytes], Any]:
    """Return the deserializer, which returns Refused instead of raising: gRPC would map an error to INTERNAL."""
    inner: Callable[[bytes], Any] = handler.request_deserializer or bytes

    def deserialize(data: bytes) -> Any:
        try:
            if check is not None:
                check(data)
            return inner(data)
        except DecodeError:
            return UNREADABLE
        except errors.InvalidRequest as error:
            return Refused(error.violations)

    return deserialize


def decoded(request: Any) -> Any:
    """Return the request. Raises InvalidRequest when it could not be decoded or was refused before."""
    if isinstance(request, Refused):
        raise errors.InvalidRequest(request.violations)
    return request


def ended(method: str, error: Exception, metadata: access.Metadata, started: float) -> grpc.Status:
    """Return the status of a failed call, and record the call."""
    mapped = as_service_error(error, trace_context.from_metadata(metadata).trace_id)
    observe(method, mapped.code, started)
    if mapped.is_refusal:
        CALL_DURATIONS.add_refusal(method, ErrorReason.Name(mapped.reason))
    return rpc_status.to_status(to_status(mapped, over_rest=rest_field_names.over_rest(metadata)))
