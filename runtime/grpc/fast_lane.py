"""The fast lane: a second socket on which another gRPC engine serves the hot unary methods of the same servicers.

grpcio is the reference engine. The lane needs a fifth of its CPU per call and has known defects, which Envoy and the
drain below work around (docs/decisions/0004-fast-lane.md). It enforces no limits: admission is in the handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pygrpc_native.aio as native
from grpc_health.v1 import health, health_pb2_grpc

from runtime import addresses
from runtime.authentication import Authentication
from runtime.grpc.async_errors import wrap_async
from runtime.grpc.call_ends import Check, Handler
from runtime.grpc.call_spans import lane_handler
from runtime.telemetry.logging import logger

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
IO_THREADS = 1
POLL_SECONDS = 0.02
STOP_SECONDS = 0.5


@dataclass(slots=True)
class HandlerRegistry:
    """Collects the handlers that generated code registers with a server, so that some can be selected."""

    handlers: dict[str, Handler] = field(default_factory=dict)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add the handlers of a service."""
        self.handlers.update({f"/{service}/{method}": handler for method, handler in handlers.items()})

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """Ignore the older form of registration."""


class InFlight:
    """Counts the calls in flight on a lane."""

    def __init__(self) -> None:
        self.calls = 0

    def counted(self, handler: Handler) -> Handler:
        """Return the unary handler with counting."""
        inner = cast(Callable[..., Any], handler.unary_unary)

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self.calls += 1
            try:
                return await inner(request, context)
            finally:
                self.calls -= 1

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)


class Lane:
    """Serves some unary methods at an address. `drain` is called once, after health is NOT_SERVING."""

    def __init__(self, address: str, methods: Collection[str]) -> None:
        self._address = address
        self._methods = methods
        self._in_flight = InFlight()
        self._server: native.Server | None = None

    async def start(
        self,
        register: Callable[[grpc.aio.Server], None],
        healthy: health.aio.HealthServicer,
        options: list[tuple[str, int]],
        authentication: Authentication = "off",
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        """Bind and serve. Raises OSError when the address cannot be bound, KeyError when a method is not registered."""
        registry = HandlerRegistry()
        register(registry)  # type: ignore[arg-type]  # it accepts the same registrations
        health_pb2_grpc.add_HealthServicer_to_server(healthy, registry)  # type: ignore[arg-type]  # as above
        server = native.Server(options=options, io_threads=IO_THREADS)
        for path in (*self._methods, HEALTH_CHECK):
            service, method = path[1:].split("/")
            wrapped = wrap_async(path, registry.handlers[path], authentication, (checks or {}).get(path))
            handler = self._in_flight.counted(lane_handler(path, wrapped))
            server.add_registered_method_handlers(service, {method: handler})
        with addresses.binding(self._address):
            try:
                server.add_insecure_port(self._address)
            except RuntimeError as error:
                raise OSError(f"cannot listen on {self._address}: {error}") from error
            await server.start()
        self._server = server
        logger().info("fast lane started", address=self._address)

    async def drain(self, grace_seconds: float, pause_seconds: float) -> None:
        """Wait until no call is in flight, pause so that the last replies are sent, then stop with a timeout.

        The engine sends no GOAWAY, and drops replies that are not written when it stops.
        """
        deadline = asyncio.get_running_loop().time() + grace_seconds
        while self._in_flight.calls and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  # once per process
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(pause_seconds)
        if self._server is not None:
            stopping = asyncio.ensure_future(self._server.stop(0))
            _, late = await asyncio.wait({stopping}, timeout=STOP_SECONDS)
            if late:
                logger().warning("fast lane not stopped in time", address=self._address)
