"""Events of days that the outbox has dropped: they are built again from their orders, or their sums are taken over."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg
import pytest
from broken_stack import BrokenStack
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events
from orders.domain.events import OutboxEvent, line_text
from orders.domain.ids import uuid7
from orders.domain.order import CANCELLED, CREATED, PAID, SHIPPED, Line, NewOrder, Status, StoredOrder
from orders.domain.transitions import transition_event

pytestmark = pytest.mark.timeout(600)
DAY_US = 86_400_000_000
TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
LINES = (Line("p1", 2, 1000), Line("p3", 1, 250))
INSERT_ORDER = """
    INSERT INTO orders (order_id, customer_id, status, sequence, total_minor, created_at, updated_at, trace_id, lines)
    VALUES (%s, 'cust-old', %s, %s, %s, 'epoch'::timestamptz + %s * interval '1 microsecond',
        'epoch'::timestamptz + %s * interval '1 microsecond', %s, %s)
"""
INSERT_EVENT = """
    INSERT INTO event_outbox (shard, event_type, total_minor, units, occur_time, event_id, key, traceparent, payload)
    VALUES (%s, %s, %s, %s, 'epoch'::timestamptz + %s * interval '1 microsecond', %s, %s, %s, %s)
"""
DROP = """
    SELECT make_partition('event_outbox', (clock_timestamp() AT TIME ZONE 'UTC')::date - 3),
        drop_partition('event_outbox', (clock_timestamp() AT TIME ZONE 'UTC')::date - 1)
"""
OLD = "occur_time < date_trunc('day', now()) - interval '1 day'"


def live(created_us: int, *statuses: Status) -> tuple[StoredOrder, list[OutboxEvent]]:
    """Return an order that went through statuses, and its events."""
    order_id, total = uuid7(created_us), sum(line.quantity * line.price_minor for line in LINES)
    new = NewOrder("cust-old", LINES, total, 3, "", TRACE)
    made = [events.order_created(uuid7(created_us), order_id, new, CREATED, created_us)]
    order = StoredOrder(order_id, "cust-old", CREATED, 1, total, created_us, created_us, LINES)
    for number, status in enumerate(statuses, 1):
        event = transition_event(order, status, created_us + number * 90_000_000, TRACE)
        made.append(event)
        order = StoredOrder(order_id, "cust-old", status, number + 1, total, created_us, event.occur_us, LINES)
    return order, made


def store(broken: BrokenStack, lives: Sequence[tuple[StoredOrder, list[OutboxEvent]]]) -> None:
    """Store orders of three days ago, and their events."""
    with psycopg.connect(broken.stack.context.dsn("orders_owner")) as connection:
        for order, made in lives:
            status = Order.Status.Name(order.status)
            times = (order.created_at_us, order.updated_at_us)
            values = (order.order_id, status, order.sequence, order.total_minor, *times, TRACE[3:35], line_text(LINES))
            connection.execute(INSERT_ORDER, values)
            for e in made:
                row = (e.shard, int(e.event_type), e.total_minor, e.units, e.occur_us, e.event_id, e.key)
                connection.execute(INSERT_EVENT, (*row, e.traceparent, e.payload))


@pytest.fixture(scope="module")
def old_orders(broken: BrokenStack) -> list[str]:
    """Orders of three days ago, counted; the outbox has dropped their events. Return their ids."""
    # At noon, so that all of it is of one day.
    first_us = (time.time_ns() // 1000 // DAY_US - 3) * DAY_US + DAY_US // 2
    lives = [live(first_us + n * 40_000_000, *way) for n, way in enumerate(WAYS)]
    store(broken, lives)
    broken.await_published()
    assert broken.verdict() == "AGREES []"
    broken.change("orders", DROP)
    assert broken.one("orders", f"SELECT count(*) FROM event_outbox WHERE {OLD}") == (0,)
    assert broken.verdict() == "AGREES []"
    return [order.order_id for order, _ in lives]


WAYS: tuple[tuple[Status, ...], ...] = ((), (PAID,), (PAID, SHIPPED), (CANCELLED,), (PAID, CANCELLED), (PAID, SHIPPED))


def test_lost_events_are_built_again_from_their_orders(broken: BrokenStack, old_orders: list[str]) -> None:
    """All events of three orders, and some of the others."""
    expected = broken.metrics()
    whole = "', '".join(old_orders[:3])
    lost = f"(order_id IN ('{whole}') OR type = {EventType.PAYMENT_COMPLETED} OR type = {EventType.ORDER_CANCELLED})"
    broken.change("analytics", f"DELETE FROM processed_events WHERE {lost} AND {OLD}")
    assert broken.reconcile().startswith("DIFFERS")
    told = broken.run("repair", "--yes")
    assert "10 events that the outbox has dropped and nobody counted" in told
    assert (broken.verdict(), broken.metrics()) == ("AGREES []", expected)
    again = broken.run("replay", "--from", "4d", "--to", "1d")
    assert "0 events that the outbox has dropped" in again
    assert (broken.verdict(), broken.metrics()) == ("AGREES []", expected)


def test_metrics_are_rebuilt_from_what_the_orders_database_keeps(broken: BrokenStack, old_orders: list[str]) -> None:
    expected = broken.metrics()
    assert "no metric differs" in broken.run("rebuild", "--dry-run")
    broken.change("analytics", "TRUNCATE sales_metrics, event_ledger, order_ledger, processed_events")
    broken.run("rebuild", "--yes")
    broken.run("rebuild", "--drop-old")
    assert (broken.verdict(), broken.metrics()) == ("AGREES []", expected)
    broken.paid()
    assert broken.verdict() == "AGREES []"
