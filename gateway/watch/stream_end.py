"""Why a watched stream ends, told in its last message, since over HTTP/1.1 the status that follows is not seen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import grpc
from ordermesh.gateway.v1.watch_pb2 import Ended
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import FailedPrecondition, Overloaded, ServiceError, Unavailable

Message = TypeVar("Message")


async def told(messages: AsyncGenerator[Message], last: Callable[[Ended], Message]) -> AsyncGenerator[Message]:
    """Yield the messages, and before an error that ends them one that tells of it, if the stream ever began."""
    begun = False
    try:
        async with aclosing(messages):
            async for message in messages:
                yield message
                begun = True
    except ServiceError as error:
        if begun:
            yield last(Ended(code=error.code.value[0], message=error.message))
        raise
    except Exception:
        # Told without its cause, as in every answer; the cause is logged where the call ends.
        if begun:
            yield last(Ended(code=grpc.StatusCode.INTERNAL.value[0], message="internal error"))
        raise


def stopping() -> Unavailable:
    """Return the error of a stream that ends because the gateway stops."""
    message = "the gateway stops, come back with the revision"
    return Unavailable(ErrorReason.COMPONENT_UNAVAILABLE, message, metadata={"component": "gateway"}, retry_ms=1000)


def changed(what: str) -> Unavailable:
    """Return the error of a stream whose topic, or what is counted of it, is not what it was."""
    message = f"{what} changed, come back with the revision"
    return Unavailable(ErrorReason.COMPONENT_UNAVAILABLE, message, metadata={"component": "kafka"}, retry_ms=1000)


def gone(what: str) -> FailedPrecondition:
    """Return the error for a revision behind which a stream cannot go on."""
    message = f"after_revision: {what}; watch again without it"
    return FailedPrecondition(ErrorReason.REVISION_GONE, message)


class TooSlow(Overloaded):
    """The reader of a stream does not keep up."""

    def __init__(self, lag: int) -> None:
        super().__init__()
        self.message = f"{lag:,} events wait for this reader, come back with the revision"
        self.retry_ms = 1000
