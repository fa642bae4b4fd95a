"""PipelineService: the status of the pipeline, and the reconciliation of orders with metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ordermesh.gateway.v1 import pipeline_pb2 as pb
from ordermesh.gateway.v1 import pipeline_pb2_grpc

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.errors import unavailable
from gateway.backends.event_topics import EventLog
from gateway.backends.orders import OrdersBackend
from gateway.backends.stream_credentials import StreamCredentials
from gateway.pipeline.sampler import Sampler
from gateway.reconciliation.full import FullReconciliation
from gateway.reconciliation.reconciliation import Reconciliation
from runtime.errors import Overloaded
from runtime.grpc import field_rules
from runtime.identity.client_key import client_key
from runtime.identity.shares import Shares
from runtime.process.shutdown import stops_within

INTERVAL_MS = field_rules.number(pb.WatchStatusRequest, "interval_ms")
WAIT_SECONDS = field_rules.number(pb.ReconcileRequest, "wait_seconds")
# A reconciliation reads both databases completely.
RECONCILIATIONS_AT_ONCE = 2
# For reading both ledgers, in addition to the wait: limits requests without a deadline.
READING_SECONDS = 600


class PipelineService(pipeline_pb2_grpc.PipelineServiceServicer):
    """Serves the status from the sampler, and runs reconciliations."""

    def __init__(
        self,
        sampler: Sampler,
        orders: OrdersBackend,
        analytics: AnalyticsBackend,
        log: EventLog,
        places: Shares,
        stop: asyncio.Event,
        credentials: StreamCredentials,
    ) -> None:
        self._sampler = sampler
        self._backends = (orders, analytics, log)
        self._places = places
        self._stop = stop
        self._credentials = credentials
        self._reconciling = asyncio.Semaphore(RECONCILIATIONS_AT_ONCE)
        self._full = FullReconciliation(
            lambda progress: Reconciliation(*self._backends, WAIT_SECONDS.value(0), audit=progress).run()
        )

    def close(self) -> None:
        """Cancel a full reconciliation that is running."""
        self._full.close()

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.PipelineStatus:
        """Return the current status."""
        return await self._sampler.status()

    async def WatchStatus(self, request: pb.WatchStatusRequest, context: Any) -> AsyncIterator[pb.WatchStatusResponse]:
        """Stream the status until the client disconnects, has to show its credentials again or the gateway drains."""
        interval_ms = INTERVAL_MS.value(request.interval_ms)
        revision, ended = 0, self._credentials.begin()
        with self._places.hold(client_key(context.invocation_metadata())):
            while True:
                revision += 1
                yield pb.WatchStatusResponse(revision=revision, status=await self._sampler.status())
                if await stops_within(self._stop, interval_ms / 1000) or ended():
                    return

    async def Reconcile(self, request: pb.ReconcileRequest, context: Any) -> pb.ReconcileResponse:
        """Compare orders with metrics."""
        wait_seconds = WAIT_SECONDS.value(request.wait_seconds)
        if request.full:
            return await self._full.answer(wait_seconds)
        if self._reconciling.locked():
            raise Overloaded
        async with self._reconciling:
            try:
                async with asyncio.timeout(wait_seconds + READING_SECONDS):
                    return await Reconciliation(*self._backends, wait_seconds).run()
            except TimeoutError as error:
                message = f"reconciliation not finished within {wait_seconds + READING_SECONDS} s"
                raise unavailable("gateway", message) from error
