"""What the metrics must be after events, by the contracts alone: nothing of the processor is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC

from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from ordermesh.orders.v1.orders_pb2 import Order


def sums(events: Sequence[OrderEvent | StockEvent]) -> dict[tuple[str, str], int]:
    """Return the metrics that are not zero, by name and dimension; an event that occurs twice counts once."""
    found: Counter[tuple[str, str]] = Counter()
    for event in {event.event_id: event for event in events}.values():
        if isinstance(event, StockEvent):
            found["restock_requests", ""] += event.HasField("restock_requested")
            continue
        found["orders_by_status", Order.Status.Name(event.status)] += 1
        if event.previous_status:
            found["orders_by_status", Order.Status.Name(event.previous_status)] -= 1
        if event.HasField("order_cancelled"):
            found["cancelled_revenue", ""] += event.total_minor
        if event.HasField("order_created"):
            found.update(created(event))
    return {key: value for key, value in found.items() if value}


def created(event: OrderEvent) -> Counter[tuple[str, str]]:
    """Return what the creation of an order adds."""
    minute = event.occur_time.ToDatetime(UTC).strftime("%Y-%m-%dT%H:%MZ")
    items = event.order_created.items
    value = sum(item.quantity * item.price_minor for item in items)
    found = Counter({("orders_total", ""): 1, ("revenue_total", ""): value})
    found.update({("orders_per_minute", minute): 1, ("revenue_per_minute", minute): value})
    for item in items:
        found["top_products_units", item.product_id] += item.quantity
        found["top_products_revenue", item.product_id] += item.quantity * item.price_minor
    return found
