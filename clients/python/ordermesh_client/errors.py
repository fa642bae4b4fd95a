"""The errors that calls raise: one class per gRPC code that a caller can act on.

OrdermeshError
├── InvalidRequest        INVALID_ARGUMENT     violations name every invalid field
├── Unauthenticated       UNAUTHENTICATED      no credentials, or invalid, expired or revoked ones
├── PermissionDenied      PERMISSION_DENIED    the caller's role does not allow the call, or the customer is another one
├── NotFound              NOT_FOUND            also an order of another customer
├── AlreadyExists         ALREADY_EXISTS       also a request_id used before with other content
├── FailedPrecondition    FAILED_PRECONDITION  the order's or product's state does not allow it
├── Overloaded            RESOURCE_EXHAUSTED   nothing was changed; retry after retry_after_seconds
├── DeadlineExceeded      DEADLINE_EXCEEDED    a change may have happened, unless reason is EXPIRED
├── Unavailable           UNAVAILABLE          a change may have happened, unless reason is DATABASE_UNAVAILABLE
└── ServerFault           INTERNAL, UNKNOWN    a fault of the platform; trace_id finds it in its logs

Where a change may have happened, repeat the call with the same request_id: it changes nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1 import errors_pb2
from ordermesh.orders.v1.errors_pb2 import ErrorReason

DETAILS_KEY = "grpc-status-details-bin"
TRACEPARENT_KEY = "traceparent"
RETRY_AFTER_KEY = "retry-after"
CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """One invalid field of a request: its path and the rule that it breaks."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """The details of an error besides its code and message."""

    reason_name: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    violations: tuple[Violation, ...] = ()
    retry_after_seconds: float | None = None
    trace_id: str = ""


class OrdermeshError(Exception):
    """A call that failed, with its code, message and details."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self._details = details or Details()
        self.attempts = 1

    @property
    def reason(self) -> ErrorReason:
        """The contract's reason; ERROR_REASON_UNSPECIFIED when there is none or this version does not know it."""
        return REASONS.get(self.reason_name, ErrorReason.ERROR_REASON_UNSPECIFIED)

    @property
    def reason_name(self) -> str:
        """The name of the reason as received; empty when there is none."""
        return self._details.reason_name

    @property
    def metadata(self) -> dict[str, str]:
        """The subject of the reason, such as the order's id."""
        return dict(self._details.metadata)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The invalid fields, the first 20."""
        return self._details.violations

    @property
    def retry_after_seconds(self) -> float | None:
        """How long to wait before a retry; None when the server gave no delay."""
        return self._details.retry_after_seconds

    @property
    def trace_id(self) -> str:
        """The trace id of the call in the platform's logs; empty without a response."""
        return self._details.trace_id

    def __str__(self) -> str:
        """Return code, reason, message and trace id as one line."""
        reason = f"/{self.reason_name}" if self.reason_name else ""
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return f"{self.code.name}{reason}: {self.message}{trace}"


class InvalidRequest(OrdermeshError):
    """One or more fields of the request are invalid."""


class Unauthenticated(OrdermeshError):
    """The call had no valid credentials: none, or one that expired or was revoked."""


class PermissionDenied(OrdermeshError):
    """The credentials are valid, but their role or customer may not do this."""


class NotFound(OrdermeshError):
    """A resource named in the request does not exist."""


class AlreadyExists(OrdermeshError):
    """The resource to create exists with other content, or the request_id was used with other content."""


class FailedPrecondition(OrdermeshError):
    """The state of the order or product does not allow the call."""


class Overloaded(OrdermeshError):
    """The server is overloaded, or the client exceeds its rate limit; nothing was changed."""


class DeadlineExceeded(OrdermeshError):
    """The deadline passed before a response."""


class Unavailable(OrdermeshError):
    """The platform, or a component that the call needs, cannot be reached."""


class ServerFault(OrdermeshError):
    """An internal error of the platform."""


REASONS: dict[str, ErrorReason] = {name: getattr(errors_pb2, name) for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118 - no dict
CLASSES: dict[grpc.StatusCode, type[OrdermeshError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.INTERNAL: ServerFault,
    grpc.StatusCode.UNKNOWN: ServerFault,
}


def from_response(
    code: grpc.StatusCode, message: str | None, metadata: Iterable[tuple[str, str | bytes]]
) -> OrdermeshError:
    """Return the error of a failed call; metadata are the response's headers and trailers."""
    values = dict(metadata)
    details = read_details(read_status(values.get(DETAILS_KEY)), values)
    return CLASSES.get(code, OrdermeshError)(code, message or code.name, details)


def from_call(failure: grpc.RpcError) -> OrdermeshError:
    """Return the error of a failed call, of a blocking or an asyncio channel."""
    if not isinstance(failure, (grpc.Call, grpc.aio.AioRpcError)):
        raise failure
    headers = [*(failure.initial_metadata() or ()), *(failure.trailing_metadata() or ())]
    return from_response(failure.code(), failure.details(), headers)


def from_status(status: Status) -> OrdermeshError:
    """Return the error of one refused order of a batch."""
    code = CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return CLASSES.get(code, OrdermeshError)(code, status.message, read_details(status, {}))


def read_status(encoded: str | bytes | None) -> Status:
    """Decode the rich status; return an empty one when it is missing or cannot be decoded."""
    try:
        return Status.FromString(encoded) if isinstance(encoded, bytes) else Status()
    except DecodeError:
        return Status()


def read_details(status: Status, headers: dict[str, str | bytes]) -> Details:
    """Return reason, violations, retry delay and trace id from a status and the headers of its response."""
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    delay = seconds(headers.get(RETRY_AFTER_KEY))
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
        if detail.Unpack(retry):
            delay = retry.retry_delay.ToTimedelta().total_seconds()
    return Details(
        # The front proxy's rate limit sends headers only.
        reason_name=info.reason or ("RATE_LIMITED" if "x-ratelimit-limit" in headers else ""),
        metadata=tuple(sorted(info.metadata.items())),
        violations=tuple(Violation(v.field, v.description) for v in request.field_violations),
        retry_after_seconds=delay,
        trace_id=trace_id(headers.get(TRACEPARENT_KEY)),
    )


def seconds(header: str | bytes | None) -> float | None:
    """Return the seconds of a retry-after header; None when it is missing, or a date."""
    return float(header) if isinstance(header, str) and header.isdecimal() else None


def trace_id(traceparent: str | bytes | None) -> str:
    """Return the trace id within a traceparent header."""
    parts = traceparent.split("-") if isinstance(traceparent, str) else []
    return parts[1] if len(parts) == 4 else ""
