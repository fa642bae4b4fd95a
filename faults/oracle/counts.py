"""The rules of counting: counted events against the log, and metrics against what the log adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from ordermesh.orders.v1.orders_pb2 import Order

from faults.oracle.evidence import Evidence
from faults.oracle.violation import Violation, named

NOT_COUNTED = "event not counted"
COUNTED_PHANTOM = "counted event that is not in the log"
METRIC = "metric is wrong"
DEAD_LETTER = "dead letter"


def check(known: Evidence, expected_dead: Mapping[tuple[str, str], int]) -> Iterator[Violation]:
    """Yield what breaks the rules of counting. Dead letters are expected where a fault makes them."""
    published = {record.event.event_id: record.event for record in known.log}
    counted = {event_id for event_id, _, _ in known.counted}
    yield from named(NOT_COUNTED, published.keys() - counted)
    yield from named(COUNTED_PHANTOM, counted - published.keys())
    wanted = sums(published.values())
    yield from named(
        METRIC,
        {
            f"{name}[{dimension}] is {known.metrics.get((name, dimension), 0)}, must be {wanted[name, dimension]}"
            for name, dimension in known.metrics.keys() | wanted.keys()
            if known.metrics.get((name, dimension), 0) != wanted[name, dimension]
        },
    )
    yield from named(
        DEAD_LETTER,
        {
            f"{known.dead_letters.get(place, 0)} {place[1]} of {place[0]}, expected {expected_dead.get(place, 0)}"
            for place in known.dead_letters.keys() | expected_dead.keys()
            if known.dead_letters.get(place, 0) != expected_dead.get(place, 0)
        },
    )


def sums(events: Iterable[OrderEvent | StockEvent]) -> Counter[tuple[str, str]]:
    """Return the metrics that events add up to, each of which occurs once, by name and dimension."""
    found: Counter[tuple[str, str]] = Counter()
    for event in events:
        if isinstance(event, StockEvent):
            found["restock_requests", ""] += event.HasField("restock_requested")
            continue
        found["orders_by_status", Order.Status.Name(event.status)] += 1
        if event.previous_status:
            found["orders_by_status", Order.Status.Name(event.previous_status)] -= 1
        if event.HasField("order_cancelled"):
            found["cancelled_revenue", ""] += event.total_minor
        if event.HasField("order_created"):
            add_created(found, event)
    return found


def add_created(found: Counter[tuple[str, str]], event: OrderEvent) -> None:
    """Add what the creation of an order adds."""
    minute = event.occur_time.ToDatetime(UTC).strftime("%Y-%m-%dT%H:%MZ")
    value = sum(item.quantity * item.price_minor for item in event.order_created.items)
    for name, dimension, change in (
        ("orders_total", "", 1),
        ("revenue_total", "", value),
        ("orders_per_minute", minute, 1),
        ("revenue_per_minute", minute, value),
    ):
        found[name, dimension] += change
    for item in event.order_created.items:
        found["top_products_units", item.product_id] += item.quantity
        found["top_products_revenue", item.product_id] += item.quantity * item.price_minor
