"""The answer to an attempt to create an order, in the same form for all transports."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Protocol

import grpc
from google.rpc import error_details_pb2, status_pb2

from loadgen.workload import PlannedOrder


class Outcome(Enum):
    """The outcome of an attempt: stored, not stored, or unknown."""

    ACCEPTED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of an attempt; `kind` is the key for counting errors (`CODE`, `CODE/REASON`, `connection_lost`)."""

    outcome: Outcome
    kind: str
    retryable: bool = False


class Transport(Protocol):
    """Sends orders."""

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        """Send one call and return one answer per order; does not raise on errors of the server or the network."""

    async def close(self) -> None:
        """Close all connections."""


ACCEPTED = Answer(Outcome.ACCEPTED, "accepted")
CONNECT_FAILED = Answer(Outcome.REFUSED, "connect_failed", retryable=True)
CONNECTION_LOST = Answer(Outcome.UNKNOWN, "connection_lost", retryable=True)
TIMED_OUT = Answer(Outcome.UNKNOWN, "timeout")
ABANDONED = Answer(Outcome.UNKNOWN, "abandoned")
BAD_REPLY = Answer(Outcome.UNKNOWN, "bad_reply")

CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
REFUSING_CODES = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "UNAUTHENTICATED",
    }
)
REFUSING_REASONS = frozenset({"DATABASE_UNAVAILABLE", "EXPIRED", "OVERLOADED", "RATE_LIMITED"})


@lru_cache(maxsize=256)
def classify(code: int, reason: str) -> Answer:
    """Return the answer for an error code and its reason, empty if none."""
    name = CODE_NAMES.get(code, f"CODE_{code}")
    refused = name in REFUSING_CODES or reason in REFUSING_REASONS
    kind = f"{name}/{reason}" if reason else name
    return Answer(Outcome.REFUSED if refused else Outcome.UNKNOWN, kind, retryable=name == "UNAVAILABLE")


def classify_status(status: status_pb2.Status) -> Answer:
    """Return the answer for a google.rpc.Status."""
    return classify(status.code, _reason_in(status))


def classify_call(error: grpc.aio.AioRpcError) -> Answer:
    """Return the answer for a failed gRPC call."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status.ParseFromString(value)
    return classify(error.code().value[0], _reason_in(status))


def _reason_in(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")
