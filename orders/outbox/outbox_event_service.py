"""OutboxEventService: an order with its events, as the outbox has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import grpc
from ordermesh.events.v1.events_pb2 import RESTOCK_REQUESTED, EventType, OrderEvent, StockEvent
from ordermesh.internal.v1 import timeline_source_pb2 as pb
from ordermesh.internal.v1 import timeline_source_pb2_grpc

from orders.domain import ids
from orders.domain.events import order_shard
from orders.store.queries import OUTBOX
from runtime.kafka.topics import FIRST_STOCK_TYPE
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.pool import Pool
from runtime.timestamps import from_datetime

Context = grpc.aio.ServicerContext[Any, Any]
Event = pb.ListOutboxEventsResponse.Event
MAX_EVENTS = 1_000


class OutboxRow(NamedTuple):
    """An event of the outbox; of one that was dropped after it was discarded, without traceparent and payload."""

    id: int
    event_id: str
    event_type: EventType
    occur_time: datetime
    status: str
    sent_at: datetime | None
    cause: str
    traceparent: str
    payload: bytes


class OutboxEventService(timeline_source_pb2_grpc.OutboxEventServiceServicer):
    """The methods of OutboxEventService. Only the gateway calls them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ListOutboxEvents(
        self, request: pb.ListOutboxEventsRequest, context: Context
    ) -> pb.ListOutboxEventsResponse:
        """Return an order and its events."""
        async with self._pool.connection() as connection:
            found = await fetch_one(connection, OUTBOX.find_order, {"order_id": request.order_id})
            if found is None:
                return pb.ListOutboxEventsResponse()
            customer_id, status, total_minor, trace_id, created_at, updated_at, sequence = found
            parameters = {
                **order_parameters(request),
                "created_at": created_at,
                "updated_at": updated_at,
            }
            cursor = await connection.execute(OUTBOX.order_events, parameters)
            rows = [OutboxRow(*row) for row in await cursor.fetchall()]
            retained = await fetch_one(connection, OUTBOX.outbox_retained, {})
        return pb.ListOutboxEventsResponse(
            found=True,
            customer_id=customer_id,
            status=status,
            total_minor=total_minor,
            trace_id=trace_id,
            create_time=from_datetime(created_at),
            update_time=from_datetime(updated_at),
            sequence=sequence,
            events=events_of(request.order_id, rows),
            retained_start_time=from_datetime(retained[0]) if retained else None,
        )


async def fetch_one(connection: AsyncConnection, query: Any, parameters: dict[str, Any]) -> Any:
    """Return the first row of a query, None without one."""
    return await (await connection.execute(query, parameters)).fetchone()


def order_parameters(request: pb.ListOutboxEventsRequest) -> dict[str, Any]:
    """Return the parameters of the query that depend on the request only."""
    wanted = [uuid.UUID(one) for one in request.event_ids]
    return {
        "order_id": request.order_id,
        "shard": order_shard(request.order_id),
        "restock_requested": RESTOCK_REQUESTED,
        "event_ids": wanted,
        "times_ms": [ids.time_ms(one) for one in wanted],
        "limit": MAX_EVENTS,
    }


def events_of(order_id: str, rows: Iterable[OutboxRow]) -> list[Event]:
    """Return the events of an order among the rows, which may have requests for stock of other orders."""
    found = []
    for row in rows:
        event = Event(
            event_id=row.event_id,
            event_type=row.event_type,
            occur_time=from_datetime(row.occur_time),
            outbox_status=row.status,
            publish_time=from_datetime(row.sent_at),
            cause=row.cause,
            traceparent=row.traceparent,
            outbox_id=row.id,
        )
        if row.event_type >= FIRST_STOCK_TYPE:
            if StockEvent.FromString(row.payload).restock_requested.order_id != order_id:
                continue
        else:
            payload = OrderEvent.FromString(row.payload)
            event.sequence, event.previous_status, event.status = (
                payload.sequence,
                payload.previous_status,
                payload.status,
            )
        found.append(event)
    return found
