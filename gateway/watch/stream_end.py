"""Why a watch stream ends, sent in its last message: over HTTP/1.1, clients do not see the status that follows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import grpc
from ordermesh.gateway.v1.watch_pb2 import Ended
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.backends.errors import unavailable
from runtime.errors import FailedPrecondition, Overloaded, ServiceError, Unavailable

Message = TypeVar("Message")


async def with_end_message(
    messages: AsyncGenerator[Message], end_message: Callable[[Message, Ended], Message]
) -> AsyncGenerator[Message]:
    """Yield the messages, and before the error that ends them a message with its reason, if any was sent.

    `end_message` gets the last message that was sent, after which the client resumes.
    """
    last: Message | None = None
    try:
        async with aclosing(messages):
            async for message in messages:
                yield message
                last = message
    except ServiceError as error:
        if last is not None:
            yield end_message(last, Ended(code=error.code.value[0], message=error.message))
        raise
    except Exception:
        # Without the cause, as in every response; the cause is logged where the call ends.
        if last is not None:
            yield end_message(last, Ended(code=grpc.StatusCode.INTERNAL.value[0], message="internal error"))
        raise


async def while_valid(messages: AsyncGenerator[Message], ended: Callable[[], bool]) -> AsyncGenerator[Message]:
    """Yield the messages until credentials are to be shown again. Raises Unavailable then."""
    async with aclosing(messages):
        async for message in messages:
            if ended():
                raise unavailable("gateway", "credentials are to be shown again; resume with the revision")
            yield message


def gateway_stopping() -> Unavailable:
    """Return the error of a stream that ends because the gateway stops."""
    return unavailable("gateway", "the gateway is stopping; resume with the revision")


def source_changed(what: str) -> Unavailable:
    """Return the error of a stream whose topic, or the counting of it, was replaced."""
    return unavailable("kafka", f"{what} changed; resume with the revision")


def revision_gone(why: str) -> FailedPrecondition:
    """Return the error for a revision after which a stream cannot continue."""
    message = f"after_revision: {why}; watch again without it"
    return FailedPrecondition(ErrorReason.REVISION_GONE, message)


class TooSlow(Overloaded):
    """The client of a stream does not keep up."""

    def __init__(self, lag: int) -> None:
        super().__init__()
        self.message = f"{lag:,} events wait for this client; resume with the revision"
        self.retry_ms = 1000
