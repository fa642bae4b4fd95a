"""What an order is: its lines, its states and the steps between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, cast

from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.orders.v1.orders_pb2 import Order

Status = Order.Status
# What an order needs of each tracked product.
Needs = Mapping[str, int]
NOTHING: Needs = MappingProxyType({})
CREATED, PENDING_RESTOCK, PAID, SHIPPED, CANCELLED = (
    Order.CREATED,
    Order.PENDING_RESTOCK,
    Order.PAID,
    Order.SHIPPED,
    Order.CANCELLED,
)
# The only steps there are: (from, to) -> the event that tells it.
STEPS: dict[tuple[Status, Status], EventType] = {
    (PENDING_RESTOCK, CREATED): EventType.STOCK_ALLOCATED,
    (CREATED, PAID): EventType.PAYMENT_COMPLETED,
    (PAID, SHIPPED): EventType.ORDER_SHIPPED,
    (CREATED, CANCELLED): EventType.ORDER_CANCELLED,
    (PENDING_RESTOCK, CANCELLED): EventType.ORDER_CANCELLED,
    (PAID, CANCELLED): EventType.ORDER_CANCELLED,
}


class Line(NamedTuple):
    """One line of an order."""

    product_id: str
    quantity: int
    price_minor: int


class NewOrder(NamedTuple):
    """An order that passed validation and is not stored yet."""

    customer_id: str
    lines: tuple[Line, ...]
    total_minor: int
    units: int
    request_id: str
    traceparent: str
    # On time.monotonic(), None without one.
    deadline: float | None = None
    needs: Needs = NOTHING
    # Of the whole request; empty without a request_id.
    fingerprint: bytes = b""


class Accepted(NamedTuple):
    """An order that is stored; `replayed` when an earlier call with the same request_id stored it."""

    order_id: str
    status: Status
    created_at_us: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as the database has it."""

    order_id: str
    customer_id: str
    status: Status
    sequence: int
    total_minor: int
    created_at_us: int
    updated_at_us: int
    lines: tuple[Line, ...]


def status_of(name: str) -> Status:
    """Return the status with a name."""
    return cast(Status, Status.Value(name))
