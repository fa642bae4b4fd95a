"""Serves grpc.health.v1 for every public service; for those of other components it asks their backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from grpc_health.v1 import health, health_pb2
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.backends.grpc_backend import Backend
from runtime.errors import NotFound
from runtime.identity.client_key import client_key
from runtime.identity.shares import Shares
from runtime.process.shutdown import stops_within

HealthCheckResponse = health_pb2.HealthCheckResponse
CACHE_SECONDS = 0.25
ASK_SECONDS = 0.2
# The user agent of Envoy's health checks.
ENVOY = "Envoy/HC"


class GatewayHealth(health.aio.HealthServicer):
    """Health by service name; the empty name is the gateway itself."""

    def __init__(self, backends: Mapping[str, Backend], places: Shares, stop: asyncio.Event) -> None:
        super().__init__()
        self._backends = backends
        self._own: dict[str, int] = {}
        self._places = places
        self._stop = stop
        self._known: dict[str, tuple[float, bool]] = {}
        self._envoy_at: float | None = None
        self._asking = {service: asyncio.Lock() for service in backends}

    async def set(self, service: str, status: int) -> None:
        """Set the status of one of the gateway's own services."""
        self._own[service] = status

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        """Return the status of a service. Raises NotFound if it is not public."""
        if any(key == "user-agent" and ENVOY in str(value) for key, value in context.invocation_metadata() or ()):
            self._envoy_at = time.monotonic()
        status = await self._status(request.service)
        if status is None:
            raise NotFound(ErrorReason.PATH_NOT_FOUND, "no such service")
        return HealthCheckResponse(status=status)

    def envoy_seen_seconds(self) -> float | None:
        """Return the time since Envoy's last health check, None before the first."""
        return None if self._envoy_at is None else time.monotonic() - self._envoy_at

    async def Watch(  # type: ignore[override]  # both forms of a streaming method are legal, the base has the other
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Stream the status of a service and its changes."""
        last: object = object()
        stopped = False
        with self._places.hold(client_key(context.invocation_metadata())):
            while True:
                status = await self._status(request.service)
                if status != last:
                    yield HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN if status is None else status)
                last = status
                if stopped:
                    return
                stopped = await stops_within(self._stop, CACHE_SECONDS)

    async def _status(self, service: str) -> int | None:
        if service not in self._backends:
            return self._own.get(service)
        serving = await self._serves(service)
        return HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING

    async def _serves(self, service: str) -> bool:
        """Ask the backend, at most four times a second."""
        async with self._asking[service]:
            asked, serving = self._known.get(service, (-CACHE_SECONDS, False))
            if time.monotonic() - asked > CACHE_SECONDS:
                serving = await self._backends[service].serves(service, ASK_SECONDS)
                self._known[service] = (time.monotonic(), serving)
            return serving
