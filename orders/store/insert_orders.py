"""Turns planned orders and events into the parameters of the queries that store them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events
from orders.domain.events import OutboxEvent
from orders.domain.order import NewOrder, Status
from runtime.postgres import arrays

Parameters = dict[str, object]
STATUS_NAMES = dict(zip(Order.Status.values(), Order.Status.keys(), strict=True))


class PlannedOrder(NamedTuple):
    """An order with its id, its first status and its first event."""

    order: NewOrder
    order_id: str
    status: Status
    created_us: int
    event: OutboxEvent


def planned(order: NewOrder, order_id: str, event_id: str, status: Status, created_us: int) -> PlannedOrder:
    """Give an order its id, status and event."""
    event = events.order_created(event_id, order_id, order, status, created_us)
    return PlannedOrder(order, order_id, status, created_us, event)


def order_parameters(batch: Sequence[PlannedOrder], process: str) -> Parameters:
    """Return the parameters of insert_orders."""
    return {
        "process": process,
        "order_ids": arrays.plain([p.order_id for p in batch]),
        "customer_ids": arrays.quoted([p.order.customer_id for p in batch]),
        "statuses": arrays.plain([STATUS_NAMES[p.status] for p in batch]),
        "total_minors": arrays.plain([p.order.total_minor for p in batch]),
        "units": arrays.plain([p.order.units for p in batch]),
        "created_us": arrays.plain([p.created_us for p in batch]),
        "lines": arrays.quoted([events.line_text(p.order.lines) for p in batch]),
        "request_ids": arrays.quoted([p.order.request_id for p in batch]),
        "fingerprints": arrays.binary([p.order.fingerprint for p in batch]),
        "shards": arrays.plain([p.event.shard for p in batch]),
        "event_ids": arrays.plain([p.event.event_id for p in batch]),
        "traceparents": arrays.plain([p.order.traceparent for p in batch]),
        "payloads": arrays.binary([p.event.payload for p in batch]),
    }


def event_parameters(batch: Sequence[OutboxEvent]) -> Parameters:
    """Return the parameters of insert_events."""
    return {
        "shards": arrays.plain([event.shard for event in batch]),
        "event_types": arrays.plain([int(event.event_type) for event in batch]),
        "total_minors": arrays.plain([event.total_minor for event in batch]),
        "occur_us": arrays.plain([event.occur_us for event in batch]),
        "event_ids": arrays.plain([event.event_id for event in batch]),
        "keys": arrays.quoted([event.key for event in batch]),
        "traceparents": arrays.plain([event.traceparent for event in batch]),
        "payloads": arrays.binary([event.payload for event in batch]),
    }
