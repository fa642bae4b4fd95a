"""Inserts events into the outbox, in the transaction of the change that they report."""

from __future__ import annotations

from collections.abc import Sequence

from orders.domain.events import OutboxEvent
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry.tracing import server_span


async def insert_events(connection: AsyncConnection, events: Sequence[OutboxEvent]) -> None:
    """Insert events other than ORDER_CREATED, which insert_orders inserts with the order."""
    await connection.execute(QUERIES.insert_events, event_parameters(events, server_span.baggage()))


def event_parameters(events: Sequence[OutboxEvent], baggage: str = "") -> dict[str, object]:
    """Return the parameters of insert_events."""
    return {
        "shards": arrays.plain([event.shard for event in events]),
        "event_types": arrays.plain([int(event.event_type) for event in events]),
        "total_minors": arrays.plain([event.total_minor for event in events]),
        "occur_us": arrays.plain([event.occur_us for event in events]),
        "event_ids": arrays.plain([event.event_id for event in events]),
        "keys": arrays.quoted([event.key for event in events]),
        "traceparents": arrays.plain([event.traceparent for event in events]),
        "baggage": baggage or None,
        "payloads": arrays.binary([event.payload for event in events]),
    }
