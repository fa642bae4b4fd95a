"""The HTTP endpoint that serves /metrics, /health and /health/live, on an event loop in a thread of its own.

A service of one process serves its own registry. A service with child processes gives them a folder (see
runtime/process/process_supervisor.py) and serves the sum. A connection carries one request. Not aiohttp: it would cost
four services that need nothing else of it 14 MiB each.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import platform
import re
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Protocol

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from runtime.addresses import LOCAL_HOSTS, is_on_this_machine
from runtime.limited_connections import ConnectionLimits
from runtime.telemetry import metrics
from runtime.telemetry.metrics import handover
from runtime.telemetry.metrics.exemplars import EXEMPLARS
from runtime.telemetry.metrics.readings import READINGS

MAX_CONNECTIONS = 64
# For the whole connection: longer than a scrape takes.
CONNECTION_SECONDS = 15.0
HEADERS_BYTES = 8 * 1024
BACKLOG = 128
HEALTH_PATHS = ("/health", "/health/live")
READ_ONLY = "405 Method Not Allowed\r\nallow: GET, HEAD"
# The client disconnected or sent no request that ends within the limits, or the server stops.
NOT_READ = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError, OSError)


class Health(Protocol):
    """What /health and /health/live tell (see runtime/process/heartbeat.py)."""

    @property
    def works(self) -> bool:
        """Whether /health is 200, and not 503."""
        ...

    @property
    def lives(self) -> bool:
        """Whether /health/live is."""
        ...

    def as_json(self) -> bytes:
        """Return the body of both."""
        ...


class Collectors:
    """Several collectors as one; they have no metric in common."""

    def __init__(self, collectors: Iterable[Collector]) -> None:
        self._collectors = tuple(collectors)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all, with exemplars."""
        return EXEMPLARS.attach(family for collector in self._collectors for family in collector.collect())


class MetricsServer:
    """Serves on a listening socket until `shutdown`."""

    def __init__(
        self,
        listening: socket.socket,
        collectors: Collectors,
        health: Callable[[], Health] | None,
        hosts: Collection[str] | None = None,
    ) -> None:
        """Serve requests for the given hosts, None for any."""
        self._listening = listening
        self._hosts = hosts
        self._collectors = collectors
        self._health = health
        # Apart from the event loop: a slow scrape must not delay a health check.
        self._scrapes = ThreadPoolExecutor(1, thread_name_prefix="scrape")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())
        self._scrapes.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        limited = ConnectionLimits(self._protocol, MAX_CONNECTIONS, CONNECTION_SECONDS)
        server = await asyncio.get_running_loop().create_server(limited, sock=self._listening, backlog=BACKLOG)
        await self._stop.wait()
        server.close()

    def _protocol(self) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(HEADERS_BYTES), self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*NOT_READ), contextlib.closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, content_type, body = await self._reply(head)
            fields = f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\nconnection: close"
            writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode())
            if not head.startswith("HEAD "):
                writer.write(body)
            await writer.drain()

    async def _reply(self, head: str) -> tuple[str, str, bytes]:
        """Return the status line, the content type and the body of the reply to a request."""
        if self._hosts is not None and host_of(header(head, "host")) not in self._hosts:
            return "421 Misdirected Request", "text/plain", b"no such host: use localhost or 127.0.0.1\n"
        method, _, rest = head.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return READ_ONLY, "text/plain", b"read-only: use GET or HEAD\n"
        if path in HEALTH_PATHS and self._health is not None:
            health = self._health()
            good = health.works if path == "/health" else health.lives
            return "200 OK" if good else "503 Service Unavailable", "application/json", health.as_json()
        if path not in ("/", "/metrics"):
            return "404 Not Found", "text/plain", b"not found: only /metrics, /health and /health/live are served\n"
        encode, content_type = choose_encoder(header(head, "accept"))
        body = await asyncio.get_running_loop().run_in_executor(self._scrapes, encode, self._collectors)
        return "200 OK", content_type, body


def header(head: str, name: str) -> str:
    """Return the value of a header of a request, empty without it."""
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((value.strip() for key, _, value in fields if key.strip().lower() == name), "")


def host_of(authority: str) -> str:
    """Return the host of `host:port` or `host`."""
    return re.sub(r":\d*$", "", authority).lower()


def listening_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError when the port is taken.

    A stack holds the port for the account of the service, with a socket that does not listen: it is shared with that.
    """
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return socket.create_server((host, port), backlog=BACKLOG, reuse_port=True)


def serve(address: str, health: Callable[[], Health] | None = None) -> MetricsServer:
    """Serve /metrics, and /health and /health/live if given, on host:port. Raises OSError when the port is taken.

    The metrics are those of this process and of its children, with their readings. On loopback, requests for other
    names are refused: a page whose name was rebound to our address would read them.
    """
    host, _, port = address.rpartition(":")
    metrics.create("service")
    metrics.BUILD_INFO.labels(version("ordermesh"), platform.python_version()).set(1)
    shared = handover.folder()
    children = [MultiProcessCollector(None, path=str(shared))] if shared else []  # type: ignore[no-untyped-call]  # the library has no types here
    served = Collectors([REGISTRY, READINGS, *children])
    hosts = LOCAL_HOSTS if is_on_this_machine(address) else None
    return MetricsServer(listening_at(host, int(port)), served, health, hosts)
