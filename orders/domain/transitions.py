"""Builds the events of status transitions. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events
from orders.domain.clock import after_previous
from orders.domain.events import OutboxEvent
from orders.domain.ids import uuid7
from orders.domain.order import TRANSITIONS, Status, StoredOrder
from runtime.errors import FailedPrecondition


def transition_event(order: StoredOrder, target: Status, occur_us: int, traceparent: str) -> OutboxEvent:
    """Return the event of a transition. Raises FailedPrecondition for a transition that does not exist.

    Its time is after that of the previous event, which may come from a process whose clock is ahead. `sequence` gives
    the order of events where the database's clock was set back between them.
    """
    occur_us = after_previous(occur_us, order.updated_at_us)
    event_type = TRANSITIONS.get((order.status, target))
    if event_type is None:
        status, wanted = Order.Status.Name(order.status), Order.Status.Name(target)
        raise FailedPrecondition(
            ErrorReason.ILLEGAL_TRANSITION,
            f"an order that is {status} cannot become {wanted}",
            metadata={"status": status, "wanted": wanted},
        )
    return events.order_status_changed(
        event_id=uuid7(occur_us),
        event_type=event_type,
        order_id=order.order_id,
        customer_id=order.customer_id,
        sequence=order.sequence + 1,
        previous=order.status,
        status=target,
        total_minor=order.total_minor,
        occur_us=occur_us,
        traceparent=traceparent,
    )


def transition_events(
    orders: Sequence[StoredOrder], target: Status, occur_us: int, traceparent: str
) -> list[OutboxEvent]:
    """Return the events of several orders with the same transition, a microsecond apart."""
    return [transition_event(order, target, occur_us + n, traceparent) for n, order in enumerate(orders)]
