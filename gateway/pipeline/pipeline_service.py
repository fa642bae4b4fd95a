"""PipelineService: how the pipeline is doing, and whether its two ends agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ordermesh.gateway.v1 import pipeline_pb2 as pb
from ordermesh.gateway.v1 import pipeline_pb2_grpc

from gateway.backends.event_log import EventLog
from gateway.backends.grpc_backend import Analytics, Orders, unavailable
from gateway.pipeline.sampler import Sampler, pause
from gateway.reconciliation.reconciliation import Reconciliation
from runtime.errors import InvalidRequest, Overloaded, Violation

INTERVAL_MS = range(200, 60_001)
DEFAULT_INTERVAL_MS = 1000
WAIT_SECONDS = range(1, 301)
DEFAULT_WAIT_SECONDS = 30
# A reconciliation reads both databases from end to end.
RECONCILIATIONS_AT_ONCE = 2
# For reading both ledgers, beside the waiting: a client without a deadline must not hold a place for ever.
READING_SECONDS = 600


class PipelineServicer(pipeline_pb2_grpc.PipelineServiceServicer):
    """Answers from the sampler and by reconciling."""

    def __init__(
        self, sampler: Sampler, orders: Orders, analytics: Analytics, log: EventLog, stop: asyncio.Event
    ) -> None:
        self._sampler = sampler
        self._parts = (orders, analytics, log)
        self._stop = stop
        self._reconciling = asyncio.Semaphore(RECONCILIATIONS_AT_ONCE)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.PipelineStatus:
        """Return how every part is doing now."""
        return await self._sampler.status()

    async def WatchStatus(self, request: pb.WatchStatusRequest, context: Any) -> AsyncIterator[pb.WatchStatusResponse]:
        """Send the status until the client leaves or the gateway drains."""
        interval_ms = within("interval_ms", request.interval_ms, INTERVAL_MS, DEFAULT_INTERVAL_MS)
        revision = 0
        while True:
            revision += 1
            yield pb.WatchStatusResponse(revision=revision, status=await self._sampler.status())
            if await pause(self._stop, interval_ms / 1000):
                return

    async def Reconcile(self, request: pb.ReconcileRequest, context: Any) -> pb.ReconcileResponse:
        """Compare orders and metrics."""
        wait_seconds = within("wait_seconds", request.wait_seconds, WAIT_SECONDS, DEFAULT_WAIT_SECONDS)
        if self._reconciling.locked():
            raise Overloaded
        async with self._reconciling:
            try:
                async with asyncio.timeout(wait_seconds + READING_SECONDS):
                    return await Reconciliation(*self._parts, wait_seconds).run()
            except TimeoutError as error:
                raise unavailable("gateway", f"not reconciled after {wait_seconds + READING_SECONDS} s") from error


def within(field: str, value: int, allowed: range, default: int) -> int:
    """Return the value, or the default for 0. Raises InvalidRequest outside of the range."""
    if value == 0:
        return default
    if value not in allowed:
        message = f"must be {allowed[0]} to {allowed[-1]}, or 0 for {default}, is {value}"
        raise InvalidRequest([Violation(field, message)])
    return value
