"""The events of one order, in both databases."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.internal.v1 import timeline_source_pb2 as pb
from ordermesh.internal.v1 import timeline_source_pb2_grpc

from gateway.backends.errors import requests_to
from gateway.backends.grpc_backend import Backend
from runtime.grpc.service_tls import ServiceTls

READ_SECONDS = 10.0


class TimelineSources:
    """The orders service with the outbox, and the analytics service with the counted events."""

    def __init__(self, orders: Sequence[str], analytics: Sequence[str], tls: ServiceTls | None = None) -> None:
        self._orders = Backend(orders, timeline_source_pb2_grpc.OutboxEventServiceStub, tls)
        self._analytics = Backend(analytics, timeline_source_pb2_grpc.CountedEventServiceStub, tls)

    async def close(self) -> None:
        """Close the channels."""
        await self._orders.close()
        await self._analytics.close()

    async def outbox(self, order_id: str, event_ids: Sequence[str]) -> pb.ListOutboxEventsResponse:
        """Return an order with its events. The outbox is searched by time: it finds these events too."""
        request = pb.ListOutboxEventsRequest(order_id=order_id, event_ids=event_ids)
        with requests_to("orders"):
            return await self._orders.unary("ListOutboxEvents", request, pb.ListOutboxEventsResponse, READ_SECONDS)

    async def counted(self, order_id: str) -> pb.ListCountedEventsResponse:
        """Return the counted events of an order, and its dead letters."""
        request = pb.ListCountedEventsRequest(order_id=order_id)
        with requests_to("analytics"):
            return await self._analytics.unary("ListCountedEvents", request, pb.ListCountedEventsResponse, READ_SECONDS)
