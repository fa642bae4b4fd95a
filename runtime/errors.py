"""The errors that reach clients, raised where they are found, mapped to a gRPC status by the server's interceptor.

ServiceError
├── InvalidRequest        INVALID_ARGUMENT    every violation, with its field path
├── NotFound              NOT_FOUND
├── AlreadyExists         ALREADY_EXISTS
├── FailedPrecondition    FAILED_PRECONDITION
├── Overloaded            RESOURCE_EXHAUSTED  with the delay after which to try again
├── Expired               DEADLINE_EXCEEDED  nothing was done
├── NoAnswer              DEADLINE_EXCEEDED  a part did not answer in time
├── Unavailable           UNAVAILABLE         nothing was changed; with a delay
└── OutcomeUnknown        UNAVAILABLE         the commit may have happened
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason

DOMAIN = "ordermesh"
# gRPC caps metadata at 8 KiB, so a reply names this many violations and counts the rest.
SHOWN_VIOLATIONS = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request: the field's path and what would be right."""

    field: str
    description: str


class ServiceError(Exception):
    """An error with a gRPC code, a reason of the contract, and a message for people."""

    code = grpc.StatusCode.INTERNAL

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
    """The request breaks the contract in one or more fields."""

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, violations: Sequence[Violation], reason: ErrorReason = ErrorReason.INVALID_FIELD) -> None:
        count = len(violations)
        shown = "; ".join(f"{v.field}: {v.description}" for v in violations[:3]) + ("; ..." if count > 3 else "")
        head = "1 field is invalid" if count == 1 else f"{count} fields are invalid"
        super().__init__(reason, f"{head}: {shown}", metadata={"violations": str(count)})
        self.violations = violations


class NotFound(ServiceError):
    """What the request names does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(ServiceError):
    """What the request would make exists, with other content."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(ServiceError):
    """The state does not allow it."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Overloaded(ServiceError):
    """Too much work is in hand."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self) -> None:
        super().__init__(ErrorReason.OVERLOADED, "too much work in hand, try again", retry_ms=100)


class Expired(ServiceError):
    """The deadline passed before the work began."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self) -> None:
        super().__init__(ErrorReason.EXPIRED, "the deadline passed before the work began")


class NoAnswer(ServiceError):
    """A part that was asked did not answer in time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self, part: str) -> None:
        super().__init__(ErrorReason.NO_ANSWER_IN_TIME, f"{part} did not answer in time", metadata={"component": part})


class Unavailable(ServiceError):
    """A part that is needed does not answer; nothing was changed."""

    code = grpc.StatusCode.UNAVAILABLE


class OutcomeUnknown(ServiceError):
    """The connection broke during the commit."""

    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(ErrorReason.OUTCOME_UNKNOWN, "the outcome is unknown, ask again with the same request_id")


def database_unavailable() -> Unavailable:
    """Return the error for a database that does not answer."""
    return Unavailable(ErrorReason.DATABASE_UNAVAILABLE, "the database is unavailable, try again", retry_ms=1000)
