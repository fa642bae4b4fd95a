"""The orders service's internal ledger: progress, published events, and sums by product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import LedgerPeriod

from gateway.backends.grpc_backend import Backend
from gateway.backends.ledger import (
    FIRST_SECONDS,
    Ids,
    OrderLedger,
    OrderStates,
    event_sums,
    order_states,
    order_sums,
    split_ids,
)
from runtime.grpc.service_tls import ServiceTls

FIND_LIMIT = 10_000


class OrdersBackend(Backend):
    """The orders service."""

    def __init__(self, targets: Sequence[str], tls: ServiceTls | None = None) -> None:
        super().__init__(targets, ledger_pb2_grpc.OrderLedgerServiceStub, tls)

    async def progress(self, timeout_seconds: float) -> pb.GetOrderProgressResponse:
        """Return the progress of storing and publishing."""
        request = pb.GetOrderProgressRequest()
        return await self.unary("GetOrderProgress", request, pb.GetOrderProgressResponse, timeout_seconds)

    async def ledger(
        self, period: LedgerPeriod, start: int = FIRST_SECONDS, end: int | None = None, *, closed_minutes: bool = False
    ) -> OrderLedger:
        """Return the published events and the orders by period, and the events that are not published.

        With `closed_minutes`, the ledger ends with the last minute that was over some seconds ago.
        """
        request = pb.StreamOrderLedgerRequest(
            period=period,
            start_time=Timestamp(seconds=start),
            end_time=None if end is None else Timestamp(seconds=end),
            closed_minutes=closed_minutes,
        )
        parts = await self.stream("StreamOrderLedger", request, pb.StreamOrderLedgerResponse)
        head = parts[0]
        return OrderLedger(
            pending=head.pending,
            dead=Ids(head.dead, tuple(head.dead_ids)),
            discarded=head.discarded,
            events=event_sums(one for part in parts for one in part.events),
            orders=order_sums(one for part in parts for one in part.orders),
            pending_minutes=frozenset(minute.seconds for minute in head.pending_start_time),
            coverage_start=head.coverage_start_time.seconds,
            ids_start=head.ids_start_time.seconds,
            end=head.end_time.seconds if head.HasField("end_time") else end,
        )

    async def audit(self) -> AsyncIterator[pb.AuditedDay]:
        """Yield each day whose ledgers are recomputed from the rows."""
        async for part in self.each("StreamOrderAudit", pb.StreamOrderAuditRequest(), pb.StreamOrderAuditResponse):
            yield part.day

    async def states(self, minute: int) -> OrderStates:
        """Return the orders that were accepted in a minute."""
        request = pb.StreamOrderStatesRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.stream("StreamOrderStates", request, pb.StreamOrderStatesResponse)
        return order_states(one for part in parts for one in part.orders)

    async def published_ids(self, minute: int) -> set[bytes]:
        """Return the ids of the published events of a minute."""
        request = pb.StreamPublishedIdsRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.stream("StreamPublishedIds", request, pb.StreamPublishedIdsResponse)
        return {event_id for part in parts for event_id in split_ids(part.event_ids)}

    async def known_ids(self, event_ids: Collection[bytes]) -> set[bytes]:
        """Return those of the events that are in the outbox, in any status."""
        found: set[bytes] = set()
        ordered = sorted(event_ids)
        for start in range(0, len(ordered), FIND_LIMIT):
            request = pb.FindEventsRequest(event_ids=b"".join(ordered[start : start + FIND_LIMIT]))
            answer = await self.unary("FindEvents", request, pb.FindEventsResponse)
            found.update(split_ids(answer.event_ids))
        return found

    async def product_sums(self, uncounted: Collection[bytes]) -> list[pb.ProductSum]:
        """Return the ordered units and revenue of each product, and those of orders that are not counted."""
        request = pb.StreamProductSumsRequest(uncounted_order_ids=b"".join(sorted(uncounted)[:FIND_LIMIT]))
        parts = await self.stream("StreamProductSums", request, pb.StreamProductSumsResponse)
        return [one for part in parts for one in part.products]
