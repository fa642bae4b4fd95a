"""Builds and encodes the events of the outbox. Pure."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1 import events_pb2
from ordermesh.events.v1.events_pb2 import ORDER_CREATED, EventType

from orders.domain.order import Line, NewOrder, Status

SCHEMA_VERSION = 1
SHARDS = 64


class OutboxEvent(NamedTuple):
    """A row of the outbox."""

    event_id: str
    event_type: EventType
    key: str
    shard: int
    occur_us: int
    total_minor: int
    units: int
    traceparent: str
    payload: bytes


def order_shard(order_id: str) -> int:
    """Return the shard of an order: the last six bits of its id, which are random."""
    return int(order_id[-2:], 16) % SHARDS


def product_shard(product_id: str) -> int:
    """Return the shard of a product."""
    return sum(product_id.encode()) % SHARDS


def timestamp(time_us: int) -> Timestamp:
    """Return the message of a time in microseconds since 1970."""
    message = Timestamp()
    write_time(message, time_us)
    return message


def write_time(message: Timestamp, time_us: int) -> None:
    """Set a message to a time in microseconds since 1970."""
    message.seconds, rest_us = divmod(time_us, 1_000_000)
    message.nanos = rest_us * 1000


def order_created(event_id: str, order_id: str, order: NewOrder, status: Status, occur_us: int) -> OutboxEvent:
    """Return the ORDER_CREATED event of a new order."""
    message = events_pb2.OrderEvent()
    # Assignments take half as long as a constructor with keyword arguments, and every order passes here.
    message.event_id = event_id
    message.order_id = order_id
    message.customer_id = order.customer_id
    message.sequence = 1
    write_time(message.occur_time, occur_us)
    message.status = status
    message.total_minor = order.total_minor
    message.schema_version = SCHEMA_VERSION
    add = message.order_created.items.add
    for line in order.lines:
        item = add()
        item.product_id, item.quantity, item.price_minor = line
    payload, shard = message.SerializeToString(), order_shard(order_id)
    return OutboxEvent(
        event_id, ORDER_CREATED, order_id, shard, occur_us, order.total_minor, order.units, order.traceparent, payload
    )


def order_status_changed(
    event_id: str,
    event_type: EventType,
    order_id: str,
    customer_id: str,
    sequence: int,
    previous: Status,
    status: Status,
    total_minor: int,
    occur_us: int,
    traceparent: str,
) -> OutboxEvent:
    """Return the event of a status transition; `sequence` is the event's own."""
    message = events_pb2.OrderEvent(
        event_id=event_id,
        order_id=order_id,
        customer_id=customer_id,
        sequence=sequence,
        occur_time=timestamp(occur_us),
        previous_status=previous,
        status=status,
        total_minor=total_minor,
        schema_version=SCHEMA_VERSION,
    )
    getattr(message, EventType.Name(event_type).lower()).SetInParent()
    payload = message.SerializeToString()
    shard = order_shard(order_id)
    return OutboxEvent(event_id, event_type, order_id, shard, occur_us, total_minor, 0, traceparent, payload)


def restock_requested(
    event_id: str, product_id: str, order_id: str, missing: int, occur_us: int, traceparent: str
) -> OutboxEvent:
    """Return the event of a backorder that lacks units of a product."""
    message = _stock_event(event_id, product_id, occur_us)
    message.restock_requested.order_id = order_id
    message.restock_requested.missing_quantity = missing
    return _stock_row(message, EventType.RESTOCK_REQUESTED, occur_us, traceparent)


def restocked(event_id: str, product_id: str, quantity: int, occur_us: int, traceparent: str) -> OutboxEvent:
    """Return the event of a restock."""
    message = _stock_event(event_id, product_id, occur_us)
    message.restocked.quantity = quantity
    return _stock_row(message, EventType.RESTOCKED, occur_us, traceparent)


def _stock_event(event_id: str, product_id: str, occur_us: int) -> events_pb2.StockEvent:
    return events_pb2.StockEvent(
        event_id=event_id, product_id=product_id, occur_time=timestamp(occur_us), schema_version=SCHEMA_VERSION
    )


def _stock_row(message: events_pb2.StockEvent, event_type: EventType, occur_us: int, traceparent: str) -> OutboxEvent:
    key = message.product_id
    payload = message.SerializeToString()
    return OutboxEvent(message.event_id, event_type, key, product_shard(key), occur_us, 0, 0, traceparent, payload)


def line_text(lines: tuple[Line, ...]) -> str:
    """Return the text of an order_line[] value; product ids have no characters that need quoting."""
    return "{" + ",".join(f'"({line.product_id},{line.quantity},{line.price_minor})"' for line in lines) + "}"
