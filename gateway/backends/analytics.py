"""The analytics service's internal ledger: progress, counted events, the audit, and metrics by product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import LedgerPeriod

from gateway.backends.grpc_backend import Backend
from gateway.backends.ledger import (
    FIRST_SECONDS,
    AnalyticsLedger,
    OrderStates,
    event_sums,
    order_states,
    order_sums,
    split_ids,
)
from runtime.grpc.service_tls import ServiceTls


class AnalyticsBackend(Backend):
    """The analytics service."""

    def __init__(self, targets: Sequence[str], tls: ServiceTls | None = None) -> None:
        super().__init__(targets, ledger_pb2_grpc.AnalyticsLedgerServiceStub, tls)

    async def progress(self, timeout_seconds: float) -> pb.GetAnalyticsProgressResponse:
        """Return the progress of counting."""
        request = pb.GetAnalyticsProgressRequest()
        return await self.unary("GetAnalyticsProgress", request, pb.GetAnalyticsProgressResponse, timeout_seconds)

    async def ledger(self, period: LedgerPeriod, start: int = FIRST_SECONDS, end: int | None = None) -> AnalyticsLedger:
        """Return the counted events and their orders by period, and the dead letters."""
        request = pb.StreamAnalyticsLedgerRequest(
            period=period, start_time=Timestamp(seconds=start), end_time=None if end is None else Timestamp(seconds=end)
        )
        parts = await self.stream("StreamAnalyticsLedger", request, pb.StreamAnalyticsLedgerResponse)
        head = parts[0]
        return AnalyticsLedger(
            dead_letters=head.dead_letters,
            discarded=head.discarded,
            dead_letter_orders=frozenset(split_ids(head.dead_letter_order_ids)),
            events=event_sums(one for part in parts for one in part.events),
            orders=order_sums(one for part in parts for one in part.orders),
            coverage_start=head.coverage_start_time.seconds,
            ids_start=head.ids_start_time.seconds,
        )

    async def states(self, minute: int) -> OrderStates:
        """Return the orders that were accepted in a minute, as the counted events tell them."""
        request = pb.StreamCountedStatesRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.stream("StreamCountedStates", request, pb.StreamCountedStatesResponse)
        return order_states(one for part in parts for one in part.orders)

    async def counted_ids(self, minute: int) -> tuple[set[bytes], set[bytes]]:
        """Return the ids of the counted events of a minute, and of the dead letters of any minute."""
        request = pb.StreamCountedIdsRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.stream("StreamCountedIds", request, pb.StreamCountedIdsResponse)
        counted = {event_id for part in parts for event_id in split_ids(part.event_ids)}
        return counted, {event_id for part in parts for event_id in split_ids(part.dead_letter_ids)}

    async def audit(self) -> AsyncIterator[pb.AuditedDay]:
        """Yield each day whose ledgers are recomputed from the counted events."""
        request = pb.StreamAnalyticsAuditRequest()
        async for part in self.each("StreamAnalyticsAudit", request, pb.StreamAnalyticsAuditResponse):
            yield part.day

    async def metric_differences(self, *, all_days: bool) -> Sequence[pb.AuditMetricsResponse.Difference]:
        """Return the metrics that differ from the ledger of counted events."""
        request = pb.AuditMetricsRequest(all_days=all_days)
        answer = await self.unary("AuditMetrics", request, pb.AuditMetricsResponse)
        return answer.differences

    async def product_metrics(self) -> list[pb.ProductSum]:
        """Return units and revenue of each product, from the metrics."""
        request = pb.StreamProductMetricsRequest()
        parts = await self.stream("StreamProductMetrics", request, pb.StreamProductMetricsResponse)
        return [one for part in parts for one in part.products]
