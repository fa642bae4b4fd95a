"""Handlers on each kind of server that services use: asyncio, the lane, and threads."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health

from runtime.authentication import Authentication
from runtime.grpc.async_errors import AsyncErrors
from runtime.grpc.fast_lane import Lane
from runtime.grpc.sync_errors import SyncErrors


class Registered(Protocol):
    """Handlers of one service, for servers that await them and for servers with threads."""

    def registered(self, server: Any) -> None:
        """Add those that are awaited."""

    def registered_on_threads(self, server: Any) -> None:
        """Add those that block."""


@asynccontextmanager
async def serving(
    kind: str, handlers: Registered, unary: str, authentication: Authentication = "off"
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve on one kind of server and yield a channel to it; `unary` is the path of the method that the lane serves."""
    with tempfile.TemporaryDirectory(prefix="om-sk-", dir="/tmp") as folder:
        address = f"unix:{folder}/s"
        if kind == "lane":
            lane = Lane(address, [unary])
            await lane.start(handlers.registered, health.aio.HealthServicer(), [], authentication)
            stop: Callable[[], Any] = lambda: lane.drain(0, 0)  # noqa: E731  # one of three ways to stop
        elif kind == "asyncio":
            server = grpc.aio.server(interceptors=[AsyncErrors(authentication)])
            handlers.registered(server)
            server.add_insecure_port(address)
            await server.start()
            stop = lambda: server.stop(0)  # noqa: E731  # as above
        else:
            threads = grpc.server(ThreadPoolExecutor(2), interceptors=[SyncErrors(authentication)])
            handlers.registered_on_threads(threads)
            threads.add_insecure_port(address)
            threads.start()
            stop = lambda: asyncio.to_thread(threads.stop(0).wait)  # noqa: E731  # as above
        async with grpc.aio.insecure_channel(address) as channel:
            yield channel
        await stop()
