"""Status transitions and their events."""

import itertools
import uuid

import pytest
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import ids
from orders.domain.order import CANCELLED, CREATED, PAID, PENDING_RESTOCK, SHIPPED, StoredOrder
from orders.domain.transitions import transition_event
from runtime.errors import FailedPrecondition

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


NOW_US = 10_000_000


def test_a_transition_is_after_the_previous_event_even_when_another_clock_was_ahead() -> None:
    order = StoredOrder(ids.uuid7(1), "c", CREATED, 1, 700, 1, 5_000_000, ())
    row = transition_event(order, PAID, 4_000_000, TRACE)
    assert row.occur_us == 5_000_001
    assert OrderEvent.FromString(row.payload).occur_time.ToMicroseconds() == 5_000_001
    assert transition_event(order, PAID, 6_000_000, TRACE).occur_us == 6_000_000


def test_a_transition_after_the_clock_was_set_back_by_days_has_the_present_time() -> None:
    two_days_us = 2 * 86_400_000_000
    order = StoredOrder(ids.uuid7(1), "c", CREATED, 1, 700, 1, NOW_US + two_days_us, ())
    step = transition_event(order, PAID, NOW_US, TRACE)
    assert (step.occur_us, ids.time_ms(uuid.UUID(step.event_id))) == (NOW_US, NOW_US // 1000)
    assert OrderEvent.FromString(step.payload).sequence == 2


STATUSES = [CREATED, PENDING_RESTOCK, PAID, SHIPPED, CANCELLED]


TYPES = {
    (PENDING_RESTOCK, CREATED): "STOCK_ALLOCATED",
    (CREATED, PAID): "PAYMENT_COMPLETED",
    (PAID, SHIPPED): "ORDER_SHIPPED",
    (CREATED, CANCELLED): "ORDER_CANCELLED",
    (PENDING_RESTOCK, CANCELLED): "ORDER_CANCELLED",
    (PAID, CANCELLED): "ORDER_CANCELLED",
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATUSES, STATUSES)))
def test_only_the_transitions_of_the_contract_exist_each_with_its_event(
    before: Order.Status, after: Order.Status
) -> None:
    order = StoredOrder(ids.uuid7(1), "c", before, 4, 700, 1, 1, ())
    if (before, after) not in TYPES:
        with pytest.raises(FailedPrecondition, match="cannot become"):
            transition_event(order, after, 9, TRACE)
        return
    row = transition_event(order, after, 9_000_001, TRACE)
    event = OrderEvent.FromString(row.payload)
    assert EventType.Name(row.event_type) == TYPES[before, after]
    assert event.WhichOneof("payload") == TYPES[before, after].lower()
    assert (event.sequence, event.previous_status, event.status, event.total_minor) == (5, before, after, 700)
    assert (event.event_id, event.order_id, event.occur_time.ToMicroseconds()) == (row.event_id, row.key, 9_000_001)
