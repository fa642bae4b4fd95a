"""Several gRPC channels to one address, each with its own connection, used round robin."""

from collections.abc import Callable
from itertools import cycle
from typing import TypeVar

import grpc

from runtime.grpc.client_tls import open_async_channel

Reply = TypeVar("Reply")
CHANNELS = 4
CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.primary_user_agent", "ordermesh-loadgen"),
)


class Channels:
    """A fixed number of channels to one address."""

    def __init__(self, address: str) -> None:
        self.all = [open_async_channel(address, CHANNEL_OPTIONS) for _ in range(CHANNELS)]

    def rotate(
        self, method: str, read_reply: Callable[[bytes], Reply]
    ) -> "cycle[grpc.aio.UnaryUnaryMultiCallable[bytes, Reply]]":
        """Return an endless round robin of callables of a method, one per channel, for encoded requests."""
        return cycle([channel.unary_unary(method, None, read_reply) for channel in self.all])

    async def close(self) -> None:
        """Close all channels."""
        for channel in self.all:
            await channel.close()
