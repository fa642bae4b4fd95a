"""A TCP proxy between clients and a server, or several alike, that cuts, holds, delays, throttles and refuses.

It runs in a thread of its own, so that synchronous and asyncio tests use it alike:

    with TcpProxy(("127.0.0.1", port)) as proxy:
        connect("127.0.0.1", proxy.port)    # of several targets: proxy.ports
        proxy.cut()                     # reset what is open; new connections pass
        proxy.hold(TO_SERVER)           # one-way silence; `proxy.release()` lets it go on
        proxy.refuse()                  # nobody listens; `proxy.listen()` takes connections again
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

Target = tuple[str, int] | Path
TO_SERVER, TO_CLIENT = "to server", "to client"
BOTH = (TO_SERVER, TO_CLIENT)
CHUNK_BYTES = 64 * 1024
CALL_SECONDS = 10.0
# How often a throttled direction passes something.
SLICES_PER_SECOND = 20

T = TypeVar("T")


class Link:
    """One client's connection and its connection to the server; lives in the proxy's thread."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.readers = {TO_SERVER: client[0], TO_CLIENT: server[0]}
        self.writers = {TO_SERVER: server[1], TO_CLIENT: client[1]}
        self.held: dict[str, asyncio.Event] = {}

    def cut(self, *, reset: bool = True) -> None:
        """End both connections, with RST or with FIN."""
        for writer in self.writers.values():
            # None once a connection by TLS has ended.
            own = writer.get_extra_info("socket")
            if reset and own is not None and own.family in (socket.AF_INET, socket.AF_INET6):
                linger = struct.pack("ii", 1, 0)
                with contextlib.suppress(OSError):
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort() if reset else writer.close()


class TcpProxy:
    """Listens on loopback at a port for each target and passes everything on, except for the faults asked for."""

    def __init__(self, *targets: Target) -> None:
        self.ports = [0] * len(targets)
        self.accepted = 0
        self.delay_seconds = 0.0
        self.bytes_per_second: int | None = None
        self._targets = targets
        self._links: set[Link] = set()
        self._held: dict[str, asyncio.Event] = {}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens for the first target."""
        return self.ports[0]

    @property
    def address(self) -> str:
        """Where it listens, as host:port, for several targets separated by commas."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def links(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End everything."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def listen(self) -> None:
        """Take connections, on the same ports as before."""
        self._call(self._listen())

    def refuse(self) -> None:
        """Take no more connections: who connects is told that nobody listens. What is open stays."""
        self._call(self._refuse())

    def cut(self, *, reset: bool = True) -> None:
        """End the connections that are open, with RST or with FIN; new ones pass."""

        async def cut_all() -> None:
            for link in list(self._links):
                link.cut(reset=reset)

        self._call(cut_all())

    def hold(self, *directions: str) -> None:
        """Pass nothing on in the directions (both by default) until `release`; connections stay open and are taken."""

        async def hold_all() -> None:
            for direction in directions or BOTH:
                self._held.setdefault(direction, asyncio.Event())

        self._call(hold_all())

    def release(self) -> None:
        """Pass on what was held, on all connections."""

        async def release_all() -> None:
            for event in (*self._held.values(), *(event for link in self._links for event in link.held.values())):
                event.set()
            self._held.clear()
            for link in self._links:
                link.held.clear()

        self._call(release_all())

    async def passed(self, link: Link, direction: str, data: bytes) -> None:
        """Pass data on; a protocol's proxy looks into it here."""
        link.writers[direction].write(data)
        await link.writers[direction].drain()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(CALL_SECONDS)

    async def _listen(self) -> None:
        for number, target in enumerate(self._targets):
            serve = partial(self._serve, target)
            server = await asyncio.start_server(serve, "127.0.0.1", self.ports[number])
            self.ports[number] = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _refuse(self) -> None:
        while self._servers:
            self._servers.pop().close()

    async def _close(self) -> None:
        await self._refuse()
        for link in list(self._links):
            link.cut()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            server = await connected(target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        self._links.add(link)
        try:
            await asyncio.gather(*(self._pump(link, direction) for direction in BOTH))
            link.cut(reset=False)
        except (OSError, asyncio.CancelledError):
            link.cut()
        finally:
            self._links.discard(link)

    async def _pump(self, link: Link, direction: str) -> None:
        while data := await link.readers[direction].read(self._slice_bytes()):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            await self._while_held(lambda: self._held.get(direction))
            await self._while_held(lambda: link.held.get(direction))
            await self.passed(link, direction, data)
            if self.bytes_per_second:
                await asyncio.sleep(len(data) / self.bytes_per_second)
        link.writers[direction].write_eof()

    def _slice_bytes(self) -> int:
        return max(1, self.bytes_per_second // SLICES_PER_SECOND) if self.bytes_per_second else CHUNK_BYTES

    async def _while_held(self, gate: Callable[[], asyncio.Event | None]) -> None:
        while event := gate():
            await event.wait()


async def connected(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to a server. Raises OSError."""
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(str(target))
    return await asyncio.open_connection(*target)
