"""Errors of a request that needs another component: unavailable, without an answer in time, or faulty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import NoAnswer, Unavailable

# With these codes another process of the service may answer.
TRY_NEXT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class ComponentFault(Exception):
    """A component refused a request of the gateway, or failed: not the fault of the gateway's client."""


@contextmanager
def requests_to(component: str) -> Iterator[None]:
    """Convert the gRPC errors of requests to a component into Unavailable, NoAnswer or ComponentFault."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise converted(component, error) from error


def converted(component: str, error: grpc.aio.AioRpcError) -> Exception:
    """Return the error that names the component."""
    # The gateway cancels requests when it closes the channel.
    if error.code() in (*TRY_NEXT, grpc.StatusCode.CANCELLED):
        return unavailable(component)
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return NoAnswer(component)
    return ComponentFault(f"{component} returned {error.code().name}: {error.details()}")


def unavailable(component: str, message: str = "") -> Unavailable:
    """Return the error for a component that the response needs."""
    return Unavailable(
        ErrorReason.COMPONENT_UNAVAILABLE,
        message or f"{component} is unavailable",
        metadata={"component": component},
        retry_ms=1000,
    )
