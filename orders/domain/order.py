"""Orders: lines, statuses, and the transitions between statuses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, cast

from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.orders.v1.orders_pb2 import Order

from runtime.audit.entries import Origin
from runtime.errors import ServiceError

Status = Order.Status
# Units that an order needs, by tracked product.
Needs = Mapping[str, int]
NO_NEEDS: Needs = MappingProxyType({})
CREATED, PENDING_RESTOCK, PAID, SHIPPED, CANCELLED = (
    Order.CREATED,
    Order.PENDING_RESTOCK,
    Order.PAID,
    Order.SHIPPED,
    Order.CANCELLED,
)
# All transitions, (from, to), and the event that reports each.
TRANSITIONS: dict[tuple[Status, Status], EventType] = {
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
    """A validated order that is not stored yet."""

    customer_id: str
    lines: tuple[Line, ...]
    total_minor: int
    units: int
    request_id: str
    traceparent: str
    # On time.monotonic(), None without one.
    deadline: float | None = None
    needs: Needs = NO_NEEDS
    # Of the whole request; empty without a request_id.
    fingerprint: bytes = b""
    # Who places it on behalf of the customer, for the audit log; None for the customer itself.
    operator: Origin | None = None
    # Of a call whose trace is sampled: W3C baggage.
    baggage: str = ""


class Accepted(NamedTuple):
    """The result of a stored order; `replayed` when an earlier call with the same idempotency key stored it."""

    order_id: str
    status: Status
    created_at_us: int
    replayed: bool = False


# The outcome of storing a new order.
Outcome = Accepted | ServiceError


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as stored in the database."""

    order_id: str
    customer_id: str
    status: Status
    sequence: int
    total_minor: int
    created_at_us: int
    updated_at_us: int
    lines: tuple[Line, ...]


def status_of(name: str) -> Status:
    """Return the status of a name. Raises ValueError."""
    return cast(Status, Status.Value(name))
