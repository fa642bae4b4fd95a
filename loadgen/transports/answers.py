"""What became of an attempt to create an order, told the same way by every transport."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Protocol

import grpc
from google.rpc import error_details_pb2, status_pb2

from loadgen.workload import PlannedOrder


class Fate(Enum):
    """Whether the order is stored."""

    ACCEPTED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One attempt's outcome; `kind` counts errors (`CODE`, `CODE/REASON`, `connection_lost`, …)."""

    fate: Fate
    kind: str
    retryable: bool = False


class Transport(Protocol):
    """Sends orders."""

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        """Send one call and return one answer per order; never raises for what the server or network does."""

    async def close(self) -> None:
        """Close all connections."""


ACCEPTED = Answer(Fate.ACCEPTED, "accepted")
CONNECT_FAILED = Answer(Fate.REFUSED, "connect_failed", retryable=True)
CONNECTION_LOST = Answer(Fate.UNKNOWN, "connection_lost", retryable=True)
TIMED_OUT = Answer(Fate.UNKNOWN, "timeout")
ABANDONED = Answer(Fate.UNKNOWN, "abandoned")
BAD_REPLY = Answer(Fate.UNKNOWN, "bad_reply")

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
    """Return the answer that an error code and its reason (empty if none) stand for."""
    name = CODE_NAMES.get(code, f"CODE_{code}")
    refused = name in REFUSING_CODES or reason in REFUSING_REASONS
    kind = f"{name}/{reason}" if reason else name
    return Answer(Fate.REFUSED if refused else Fate.UNKNOWN, kind, retryable=name == "UNAVAILABLE")


def classify_status(status: status_pb2.Status) -> Answer:
    """Return the answer that a google.rpc.Status stands for."""
    return classify(status.code, _reason_in(status))


def classify_call(error: grpc.aio.AioRpcError) -> Answer:
    """Return the answer that a failed gRPC call stands for."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status.ParseFromString(value)
    return classify(error.code().value[0], _reason_in(status))


def _reason_in(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")
