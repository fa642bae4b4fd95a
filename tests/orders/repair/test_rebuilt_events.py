"""Events that are built again from the row of an order, against the events that the order had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st
from ordermesh.events.v1.events_pb2 import ORDER_CREATED, OrderEvent
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events
from orders.domain.events import OutboxEvent
from orders.domain.ids import uuid7
from orders.domain.order import CREATED, PENDING_RESTOCK, TRANSITIONS, Line, NewOrder, StoredOrder
from orders.domain.transitions import transition_event
from orders.repair.rebuilt_events import Slot, missing_events, placed

TRACE = "a" * 32
FIRST_US = 1_800_000_000_000_000
MINUTE_US = 60_000_000
# From each status, where an order may go.
NEXT = {status: sorted(after for before, after in TRANSITIONS if before == status) for status in Order.Status.values()}


@st.composite
def lives(draw: st.DrawFn) -> tuple[StoredOrder, list[OutboxEvent]]:
    """Return an order as it is stored at some time of its life, and the events that it had."""
    now_us = FIRST_US + draw(st.integers(0, 3 * MINUTE_US))
    lines = (Line("p1", draw(st.integers(1, 9)), 100), Line("p2", 1, draw(st.integers(0, 900))))
    total = sum(line.quantity * line.price_minor for line in lines)
    status = draw(st.sampled_from([CREATED, PENDING_RESTOCK]))
    order_id, new = uuid7(now_us), NewOrder("c", lines, total, sum(line.quantity for line in lines), "", "")
    order = StoredOrder(order_id, "c", status, 1, total, now_us, now_us, lines)
    made = [events.order_created(uuid7(now_us), order_id, new, status, now_us)]
    while NEXT[order.status] and draw(st.booleans()):
        target = draw(st.sampled_from(NEXT[order.status]))
        event = transition_event(order, target, order.updated_at_us + draw(st.integers(1, 2 * MINUTE_US)), "")
        made.append(event)
        order = StoredOrder(order_id, "c", target, order.sequence + 1, total, now_us, event.occur_us, lines)
    return order, made


def slots(made: Sequence[OutboxEvent]) -> Counter[Slot]:
    return Counter((event.occur_us // MINUTE_US * 60, int(event.event_type)) for event in made)


def decoded(event: OutboxEvent) -> OrderEvent:
    return OrderEvent.FromString(event.payload)


def steps(made: Sequence[OutboxEvent]) -> Counter[int]:
    """Return the change of the number of orders by status."""
    change: Counter[int] = Counter()
    for event in map(decoded, made):
        change[event.status] += 1
        change[event.previous_status] -= 1
    return Counter({status: number for status, number in change.items() if status and number})


@given(st.lists(lives(), max_size=6), st.data())
def test_lost_events_are_rebuilt_with_their_sums_minutes_and_sequences(
    given_lives: list[tuple[StoredOrder, list[OutboxEvent]]], data: st.DataObject
) -> None:
    lost: list[OutboxEvent] = []
    missing = []
    for order, made in given_lives:
        gone = data.draw(st.lists(st.sampled_from(made), unique=True))
        known = {
            int(event.event_type): (decoded(event).previous_status, decoded(event).status)
            for event in made
            if event not in gone
        }
        found = missing_events(order, TRACE, known)
        # Which of several ways it was is shown below.
        assume(len(found) == 1)
        lost += gone
        missing.append(found)
    built = [event for some in placed(missing, slots(lost)).values() for event in some]
    assert slots(built) == slots(lost)
    assert steps(built) == steps(lost)
    assert Counter((event.key, int(event.event_type)) for event in built) == Counter(
        (event.key, int(event.event_type)) for event in lost
    )
    for event in built:
        original = next(one for one in lost if (one.key, one.event_type) == (event.key, event.event_type))
        assert decoded(event).sequence == decoded(original).sequence
        assert (event.total_minor, event.units) == (original.total_minor, original.units)
        if event.event_type == ORDER_CREATED:
            assert event.occur_us == original.occur_us
            assert decoded(event).order_created == decoded(original).order_created
    again = [event for some in placed(missing, slots(lost)).values() for event in some]
    assert again == built


@given(lives())
def test_all_events_of_an_order_are_rebuilt_in_its_order(life: tuple[StoredOrder, list[OutboxEvent]]) -> None:
    """Also where an order may have come to its status in two ways: the minutes of its events tell which it was."""
    order, made = life
    found = placed([missing_events(order, TRACE, {})], slots(made))
    built = sorted((event for some in found.values() for event in some), key=lambda event: event.event_type)
    assert slots(built) == slots(made)
    assert [decoded(event).sequence for event in built] == [*range(1, order.sequence + 1)]
    assert all(decoded(one).status == decoded(two).previous_status for one, two in pairwise(built))
    assert steps(built) == steps(made)
