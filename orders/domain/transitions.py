"""The event of a step from one status to the next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events
from orders.domain.clock import after
from orders.domain.events import OutboxEvent
from orders.domain.ids import uuid7
from orders.domain.order import STEPS, Status, StoredOrder
from runtime.errors import FailedPrecondition


def step_event(order: StoredOrder, target: Status, occur_us: int, traceparent: str) -> OutboxEvent:
    """Return the event of a step. Raises FailedPrecondition when there is no such step.

    It is later than the step before, which another process may have stamped with a clock that runs ahead of ours;
    `sequence` tells the order of steps where the database's clock was set back between them.
    """
    occur_us = after(occur_us, order.updated_at_us)
    event_type = STEPS.get((order.status, target))
    if event_type is None:
        status, wanted = Order.Status.Name(order.status), Order.Status.Name(target)
        raise FailedPrecondition(
            ErrorReason.ILLEGAL_TRANSITION,
            f"an order that is {status} cannot become {wanted}",
            metadata={"status": status, "wanted": wanted},
        )
    return events.order_step(
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


def step_events(waiting: Sequence[StoredOrder], target: Status, occur_us: int, traceparent: str) -> list[OutboxEvent]:
    """Return the events of several orders that take the same step."""
    return [step_event(order, target, occur_us + n, traceparent) for n, order in enumerate(waiting)]
