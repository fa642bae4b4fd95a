"""OrderTimelineService: the life of one order."""

from __future__ import annotations

from typing import Any

from ordermesh.gateway.v1 import timeline_pb2 as pb
from ordermesh.gateway.v1 import timeline_pb2_grpc
from ordermesh.internal.v1.timeline_source_pb2 import ListCountedEventsResponse, ListOutboxEventsResponse
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.backends.timeline import TimelineSources
from gateway.timeline.timeline import timeline
from runtime.errors import InvalidRequest, NotFound, Violation
from runtime.grpc import field_rules

ORDER_ID = field_rules.pattern(pb.GetOrderTimelineRequest, "order_id")
ORDER_ID_RULE = "must be a UUID such as 019a0000-0000-7000-8000-000000000000"


class OrderTimelineService(timeline_pb2_grpc.OrderTimelineServiceServicer):
    """Asks both databases for the events of an order; `trace_url` is the address of a trace, with {trace_id}."""

    def __init__(self, sources: TimelineSources, trace_url: str = "") -> None:
        self._sources = sources
        self._trace_url = trace_url

    async def GetOrderTimeline(self, request: pb.GetOrderTimelineRequest, context: Any) -> pb.OrderTimeline:
        """Return the life of an order."""
        if not ORDER_ID.fullmatch(request.order_id):
            raise InvalidRequest([Violation("order_id", ORDER_ID_RULE)])
        order_id = request.order_id.lower()
        counted = await self._sources.counted(order_id)
        outbox = await self._sources.outbox(order_id, ids_of(counted))
        if not outbox.found:
            raise NotFound(ErrorReason.ORDER_NOT_FOUND, f"no order {order_id}", metadata={"order_id": order_id})
        if may_be_counted_since(outbox, counted):
            counted = await self._sources.counted(order_id)
        made = timeline(order_id, outbox, counted, self._trace_url)
        made.read_time.GetCurrentTime()
        return made


def ids_of(counted: ListCountedEventsResponse) -> list[str]:
    """Return the ids of the events that analytics knows."""
    known = [event.event_id for event in counted.events]
    return known + [rejected.event_id for rejected in counted.dead_letters if rejected.event_id]


def may_be_counted_since(outbox: ListOutboxEventsResponse, counted: ListCountedEventsResponse) -> bool:
    """Return whether an event was published that analytics did not know when it was asked, before the outbox."""
    known = set(ids_of(counted))
    return any(event.outbox_status == "SENT" and event.event_id not in known for event in outbox.events)
