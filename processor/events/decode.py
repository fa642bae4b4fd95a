"""Decodes a record of the log into an event, or rejects it with a reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_SHIPPED,
    PAYMENT_COMPLETED,
    RESTOCK_REQUESTED,
    STOCK_ALLOCATED,
    EventType,
    Item,
    OrderEvent,
    StockEvent,
)
from ordermesh.orders.v1.orders_pb2 import Order

from processor.events.event import Event, EventWindow, Line, Reason, Rejection
from runtime import timestamps
from runtime.kafka import event_rules
from runtime.kafka.topics import ORDER_EVENTS

SCHEMA_VERSION = 1
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PRODUCT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Sums of this many minor units and less stay within 64 bits for 90,000 of the greatest orders.
MAX_TOTAL_MINOR = 10**14
TYPES = {
    name.lower(): number for name, number in EventType.items() if number != EventType.EVENT_TYPE_UNSPECIFIED
}  # the payload's field is named like its type
# Which status an event type leads from and to.
TRANSITIONS = {
    (ORDER_CREATED, Order.STATUS_UNSPECIFIED, Order.CREATED),
    (ORDER_CREATED, Order.STATUS_UNSPECIFIED, Order.PENDING_RESTOCK),
    (STOCK_ALLOCATED, Order.PENDING_RESTOCK, Order.CREATED),
    (PAYMENT_COMPLETED, Order.CREATED, Order.PAID),
    (ORDER_SHIPPED, Order.PAID, Order.SHIPPED),
    (ORDER_CANCELLED, Order.CREATED, Order.CANCELLED),
    (ORDER_CANCELLED, Order.PENDING_RESTOCK, Order.CANCELLED),
    (ORDER_CANCELLED, Order.PAID, Order.CANCELLED),
}


def decode(topic: str, key: bytes | None, value: bytes | None, window: EventWindow) -> Event | Rejection:
    """Decode one record of the log, or reject it."""
    if not value:
        return Rejection(Reason.EMPTY, "the value is empty")
    try:
        decoded = decode_order(key, value) if topic == ORDER_EVENTS else decode_stock(key, value)
    except DecodeError:
        return Rejection(Reason.UNDECODABLE, "the value is not a message of the contract")
    if isinstance(decoded, Rejection):
        return decoded
    event_id = decoded.event_id
    if event_id < window.oldest_event_id:
        return Rejection(Reason.TOO_OLD, f"the event is older than {window.oldest_event_id}", event_id, decoded.type)
    if event_rules.is_too_new(event_id, decoded.occur_us, window.newest_event_id, window.newest_occur_us):
        return Rejection(Reason.TOO_NEW, event_rules.TOO_NEW, event_id, decoded.type)
    return decoded


def decode_order(key: bytes | None, value: bytes) -> Event | Rejection:
    """Decode a record of the topic order-events. Raises DecodeError."""
    event = OrderEvent.FromString(value)
    event_id, order_id = event.event_id, event.order_id
    type_ = TYPES.get(event.WhichOneof("payload") or "")
    if type_ is None or event.schema_version > SCHEMA_VERSION:
        return unknown(event)
    if key != order_id.encode():
        return Rejection(Reason.WRONG_KEY, "the key is not the order_id", valid_id(event_id), type_)
    lines, units, sum_minor = read_lines(event.order_created.items) if type_ == ORDER_CREATED else ((), 0, 0)
    previous_status, status, total_minor = event.previous_status, event.status, event.total_minor
    problem = (
        identity_problem(event_id, event.schema_version, event.occur_time)
        or (None if UUID.fullmatch(order_id) else "order_id is not a UUID")
        or (None if event_rules.is_sequence(event.sequence) else event_rules.SEQUENCE_RULE)
        or (None if (type_, previous_status, status) in TRANSITIONS else "the statuses do not belong to the type")
        or (None if 0 <= total_minor <= MAX_TOTAL_MINOR else f"total_minor must be 0 to {MAX_TOTAL_MINOR}")
    )
    if problem is None and type_ == ORDER_CREATED:
        problem = lines_problem(lines, total_minor, sum_minor)
    if problem is not None:
        return Rejection(Reason.INVALID, problem, valid_id(event_id), type_)
    occur_us = microseconds(event.occur_time)
    return Event(event_id, order_id, type_, occur_us, previous_status, status, total_minor, units, lines)


def decode_stock(key: bytes | None, value: bytes) -> Event | Rejection:
    """Decode a record of the topic stock. Raises DecodeError."""
    event = StockEvent.FromString(value)
    type_ = TYPES.get(event.WhichOneof("payload") or "")
    if type_ is None or event.schema_version > SCHEMA_VERSION:
        return unknown(event)
    if key != event.product_id.encode():
        return Rejection(Reason.WRONG_KEY, "the key is not the product_id", valid_id(event.event_id), type_)
    requested = event.restock_requested if type_ == RESTOCK_REQUESTED else None
    quantity = requested.missing_quantity if requested else event.restocked.quantity
    problem = (
        identity_problem(event.event_id, event.schema_version, event.occur_time)
        or (None if valid_product_id(event.product_id) else "product_id is not valid")
        or (None if requested is None or UUID.fullmatch(requested.order_id) else "order_id is not a UUID")
        or (None if quantity > 0 else "the quantity must be positive")
    )
    if problem is not None:
        return Rejection(Reason.INVALID, problem, valid_id(event.event_id), type_)
    order_id = requested.order_id if requested else None
    return Event(event.event_id, order_id, type_, microseconds(event.occur_time), 0, 0, 0, 0, ())


def unknown(event: OrderEvent | StockEvent) -> Rejection:
    """Reject a record of an unknown type: of a newer producer if it has an event_id, else undecodable bytes."""
    if not event_rules.UUID_V7.fullmatch(event.event_id):
        return Rejection(Reason.UNDECODABLE, "the value has neither a known type nor an event_id")
    if event.schema_version > SCHEMA_VERSION:
        detail = f"schema_version {event.schema_version} is newer than {SCHEMA_VERSION}"
    else:
        detail = "the type is unknown"
    return Rejection(Reason.UNKNOWN_TYPE, detail, event.event_id)


def valid_id(event_id: str) -> str | None:
    """Return the id if it is a UUID, else None."""
    return event_id if UUID.fullmatch(event_id) else None


def identity_problem(event_id: str, schema_version: int, occur_time: Timestamp) -> str | None:
    """Return what is wrong with the fields that every event has, None when nothing is."""
    if not event_rules.UUID_V7.fullmatch(event_id):
        return event_rules.EVENT_ID_RULE
    if schema_version != SCHEMA_VERSION:
        return "schema_version must be 1"
    if not occur_time.seconds or not timestamps.is_timestamp(occur_time):
        return f"occur_time is missing or out of range: it {timestamps.RULE}"
    return None


def read_lines(items: Sequence[Item]) -> tuple[list[Line], int, int]:
    """Return the lines of an order, their units and their value."""
    lines: list[Line] = []
    sum_units = sum_minor = 0
    for item in items:
        units = item.quantity
        revenue_minor = units * item.price_minor
        lines.append((item.product_id, units, revenue_minor))
        sum_units += units
        sum_minor += revenue_minor
    return lines, sum_units, sum_minor


def lines_problem(lines: Sequence[Line], total_minor: int, sum_minor: int) -> str | None:
    """Return what is wrong with the lines of an order, None when nothing is."""
    if not lines:
        return "an order has no items"
    if total_minor != sum_minor:
        return f"total_minor is {total_minor} and the items add up to {sum_minor}"
    for product_id, units, revenue_minor in lines:
        if units <= 0 or revenue_minor < 0 or not valid_product_id(product_id):
            return "an item has no valid product_id, no positive quantity or a negative price"
    return None


@lru_cache(maxsize=16_384)
def valid_product_id(product_id: str) -> bool:
    """Return whether the text is a product id."""
    return PRODUCT_ID.fullmatch(product_id) is not None


def microseconds(moment: Timestamp) -> int:
    """Return the time in microseconds since 1970."""
    return moment.seconds * 1_000_000 + moment.nanos // 1_000
