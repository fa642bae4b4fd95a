"""The orders service's internal ledger: progress, published events, and sums by product."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc

from gateway.backends.grpc_backend import Backend
from gateway.backends.ledger import Ids, OrderLedger, by_minute, split_ids
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

    async def ledger(self) -> OrderLedger:
        """Return the published events by minute, and the pending and dead ones."""
        request = pb.StreamOrderLedgerRequest()
        parts = await self.stream("StreamOrderLedger", request, pb.StreamOrderLedgerResponse)
        dead_ids = tuple(event_id for part in parts for event_id in part.dead_ids)
        return OrderLedger(
            pending=sum(part.pending for part in parts),
            dead=Ids(sum(part.dead for part in parts), dead_ids),
            minutes=by_minute(one for part in parts for one in part.minutes),
            coverage_start=max((part.coverage_start_time.seconds for part in parts), default=0),
        )

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

    async def product_sums(self) -> list[pb.ProductSum]:
        """Return the ordered units and revenue of each product, summed over the orders."""
        request = pb.StreamProductSumsRequest()
        parts = await self.stream("StreamProductSums", request, pb.StreamProductSumsResponse)
        return [one for part in parts for one in part.products]
