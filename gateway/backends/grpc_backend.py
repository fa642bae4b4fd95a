"""A service behind one or more gRPC targets: requests, health and the state of its processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ordermesh.internal.v1 import process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthRequest, GetProcessHealthResponse

from gateway.backends.errors import TRY_NEXT
from runtime.grpc.service_tls import ServiceTls
from runtime.identity import caller
from runtime.telemetry.tracing import server_span

Answer = TypeVar("Answer")

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The services are on loopback or in the same network: an HTTP proxy of the environment is not used.
    ("grpc.enable_http_proxy", 0),
]
LEDGER_SECONDS = 300.0
# While the name of a service has no address, a channel asks for it less and less often, down to once in two minutes,
# and no option changes that. A new channel asks at once.
REOPEN_AFTER_SECONDS = 5.0
# The services check the caller of public methods, of which the gateway calls some.
IDENTITY = ((caller.HEADER, "analyst:gateway"),)


@dataclass(frozen=True)
class Process:
    """One process of a service: the health that it reported, or why it did not answer."""

    health: GetProcessHealthResponse | None = None
    problem: str = ""


@dataclass(frozen=True)
class Clients:
    """Channels to all targets of a service, and what calls them."""

    channels: list[grpc.aio.Channel]
    stubs: list[Any]
    processes: list[Any]
    health: list[Any]

    @classmethod
    def open(
        cls, targets: Sequence[str], stub: Callable[[grpc.aio.Channel], Any], tls: grpc.ChannelCredentials | None
    ) -> Self:
        """Open a channel to each target."""
        channels = [open_channel(target, tls) for target in targets]
        return cls(
            channels,
            [stub(channel) for channel in channels],
            [process_pb2_grpc.ProcessServiceStub(channel) for channel in channels],
            [health_pb2_grpc.HealthStub(channel) for channel in channels],
        )

    async def close(self, grace_seconds: float | None = None) -> None:
        """Close the channels, and cancel calls that are still in progress after the grace."""
        await asyncio.gather(*(channel.close(grace_seconds) for channel in self.channels))


def open_channel(target: str, tls: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Return a channel to a target, with TLS if it is on and the target is no Unix socket."""
    if tls is None or target.startswith("unix:"):
        return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(target, tls, options=CHANNEL_OPTIONS)


class Backend:
    """A service with one or more targets, any of which can answer."""

    def __init__(
        self, targets: Sequence[str], stub: Callable[[grpc.aio.Channel], Any], tls: ServiceTls | None = None
    ) -> None:
        self._open = partial(Clients.open, targets, stub)
        self._renewed = (lambda: None) if tls is None else tls.renewed(tls.channel_credentials)
        self._credentials = None if tls is None else tls.channel_credentials()
        self._latest = self._open(self._credentials)
        self._silent_since: float | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def _clients(self) -> Clients:
        """Clients with the certificate as it is now."""
        if credentials := self._renewed():
            self._credentials = credentials
            self._reopen()
        return self._latest

    def _reopen(self) -> None:
        """Open the channels anew; calls in progress end on those before."""
        closing = asyncio.create_task(self._latest.close(LEDGER_SECONDS))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._latest = self._open(self._credentials)

    async def close(self) -> None:
        """Close the channels."""
        for task in self._closing:
            task.cancel()
        await self._latest.close()

    async def unary(self, method: str, request: Message, kind: type[Answer], seconds: float = LEDGER_SECONDS) -> Answer:
        """Return the response of a unary method, an instance of `kind`."""

        async def call(stub: Any) -> Answer:
            metadata = (*IDENTITY, *server_span.metadata())
            answer: Answer = await getattr(stub, method)(request, timeout=seconds, metadata=metadata)
            return answer

        return await self._call(call)

    async def stream(self, method: str, request: Message, kind: type[Answer]) -> list[Answer]:
        """Return all responses of a streaming method, instances of `kind`."""

        metadata = server_span.metadata()

        async def call(stub: Any) -> list[Answer]:
            return [part async for part in getattr(stub, method)(request, timeout=LEDGER_SECONDS, metadata=metadata)]

        return await self._call(call)

    async def each(self, method: str, request: Message, kind: type[Answer]) -> AsyncIterator[Answer]:
        """Yield the responses of a streaming method as they come, without a deadline, from the first available target.

        Raises the grpc.aio.AioRpcError of the last target, or of one that has begun to answer.
        """
        stubs = self._clients.stubs
        for stub in stubs:
            begun = False
            try:
                async for part in getattr(stub, method)(request):
                    begun = True
                    self._note(answered=True)
                    yield part
                return
            except grpc.aio.AioRpcError as error:
                if begun or error.code() not in TRY_NEXT or stub is stubs[-1]:
                    self._note(answered=begun or error.code() != grpc.StatusCode.UNAVAILABLE)
                    raise

    async def _call(self, call: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Call one target after another until one is available. Raises the grpc.aio.AioRpcError of the last one."""
        try:
            answer = await self._first_answer(call)
        except grpc.aio.AioRpcError as error:
            self._note(answered=error.code() != grpc.StatusCode.UNAVAILABLE)
            raise
        self._note(answered=True)
        return answer

    async def _first_answer(self, call: Callable[[Any], Awaitable[Answer]]) -> Answer:
        stubs = self._clients.stubs
        for stub in stubs[:-1]:
            try:
                return await call(stub)
            except grpc.aio.AioRpcError as error:
                if error.code() not in TRY_NEXT:
                    raise
        return await call(stubs[-1])

    async def processes(self, timeout_seconds: float, explain: Callable[[grpc.aio.AioRpcError], str]) -> list[Process]:
        """Return the state of the process behind each target."""

        async def call(stub: Any) -> Process:
            try:
                return Process(await stub.GetProcessHealth(GetProcessHealthRequest(), timeout=timeout_seconds))
            except grpc.aio.AioRpcError as error:
                # An earlier version is running, and does not report its health.
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    return Process(GetProcessHealthResponse())
                return Process(problem=explain(error))

        found = list(await asyncio.gather(*map(call, self._clients.processes)))
        self._note(answered=any(one.health is not None for one in found))
        return found

    def _note(self, *, answered: bool) -> None:
        """Note whether any target answered, and open the channels anew when none has for a while."""
        now = time.monotonic()
        if answered or self._silent_since is None:
            self._silent_since = None if answered else now
        elif now - self._silent_since >= REOPEN_AFTER_SECONDS:
            self._silent_since = now
            self._reopen()

    async def serves(self, service: str, timeout_seconds: float) -> bool:
        """Return whether any target reports that it serves the service."""
        request = health_pb2.HealthCheckRequest(service=service)
        for stub in self._clients.health:
            try:
                answer = await stub.Check(request, timeout=timeout_seconds)
            except grpc.aio.AioRpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return True
        return False
