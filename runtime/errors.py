"""The errors that reach clients, raised where they are found, mapped to a gRPC status by the server's interceptor.

ServiceError
├── InvalidRequest        INVALID_ARGUMENT    every violation, with its field path
├── Unauthenticated       UNAUTHENTICATED
├── PermissionDenied      PERMISSION_DENIED
├── NotFound              NOT_FOUND
├── AlreadyExists         ALREADY_EXISTS
├── FailedPrecondition    FAILED_PRECONDITION
├── Overloaded            RESOURCE_EXHAUSTED  with the delay after which to retry
├── Expired               DEADLINE_EXCEEDED   nothing was changed
├── NoAnswer              DEADLINE_EXCEEDED   a component did not answer in time
├── Unavailable           UNAVAILABLE         nothing was changed; with a delay
└── OutcomeUnknown        UNAVAILABLE         the transaction may have been committed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason

DOMAIN = "ordermesh"
# gRPC limits metadata to 8 KiB, so a reply lists this many violations and the total.
SHOWN_VIOLATIONS = 20
# Validation ends with this many violations: a request of a million invalid fields must not cost a million objects.
MAX_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One invalid field of a request: its path, and what is required."""

    field: str
    description: str


class ServiceError(Exception):
    """An error with a gRPC code, a reason of the contract, and a message; `retry_ms` is the delay before a retry."""

    code = grpc.StatusCode.INTERNAL
    # Whether the call was refused before any work was done for it.
    is_refusal = False

    def __init__(
        self, reason: ErrorReason, message: str, *, metadata: dict[str, str] | None = None, retry_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}
        self.retry_ms = retry_ms
        self.violations: Sequence[Violation] = ()


class InvalidRequest(ServiceError):
    """The request violates the contract in one or more fields."""

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, violations: Sequence[Violation], reason: ErrorReason = ErrorReason.INVALID_FIELD) -> None:
        count = len(violations)
        shown = "; ".join(f"{v.field}: {v.description}" for v in violations[:3]) + ("; ..." if count > 3 else "")
        least = "at least " if count >= MAX_VIOLATIONS else ""
        head = "1 field is invalid" if count == 1 else f"{least}{count} fields are invalid"
        super().__init__(reason, f"{head}: {shown}", metadata={"violations": str(count)})
        self.violations = violations


class Unauthenticated(ServiceError):
    """The call has no valid credentials."""

    code = grpc.StatusCode.UNAUTHENTICATED
    is_refusal = True


class PermissionDenied(ServiceError):
    """The caller may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    is_refusal = True


class NotFound(ServiceError):
    """The resource that the request names does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(ServiceError):
    """The resource that the request creates exists with other content."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(ServiceError):
    """The state of the resource does not allow the request."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Overloaded(ServiceError):
    """The server has as many calls as it admits."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    is_refusal = True

    def __init__(self) -> None:
        super().__init__(ErrorReason.OVERLOADED, "server overloaded, retry after the given delay", retry_ms=100)


class Expired(ServiceError):
    """The deadline passed before processing started."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    is_refusal = True

    def __init__(self) -> None:
        super().__init__(ErrorReason.EXPIRED, "deadline exceeded before processing started")


class NoAnswer(ServiceError):
    """A component did not answer in time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self, component: str) -> None:
        super().__init__(
            ErrorReason.NO_ANSWER_IN_TIME, f"{component} did not answer in time", metadata={"component": component}
        )


class Unavailable(ServiceError):
    """A required component does not answer; nothing was changed."""

    code = grpc.StatusCode.UNAVAILABLE


class OutcomeUnknown(ServiceError):
    """The connection broke during the commit."""

    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(ErrorReason.OUTCOME_UNKNOWN, "transaction outcome unknown, retry with the same request_id")


def database_unavailable() -> Unavailable:
    """Return the error for a database that cannot be reached."""
    message = "database unavailable, retry after the given delay"
    return Unavailable(ErrorReason.DATABASE_UNAVAILABLE, message, retry_ms=1000)
