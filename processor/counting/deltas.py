"""Computes how events change the metrics; the same events in any order and grouping give the same sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from ordermesh.events.v1.events_pb2 import ORDER_CANCELLED, ORDER_CREATED, RESTOCK_REQUESTED
from ordermesh.orders.v1.orders_pb2 import Order

from processor.events.event import Event
from runtime.status_names import STATUS_NAMES
from runtime.timestamps import MINUTE_FORMAT

ORDERS_TOTAL = "orders_total"
REVENUE_TOTAL = "revenue_total"
CANCELLED_REVENUE = "cancelled_revenue"
ORDERS_PER_MINUTE = "orders_per_minute"
REVENUE_PER_MINUTE = "revenue_per_minute"
TOP_PRODUCTS_UNITS = "top_products_units"
TOP_PRODUCTS_REVENUE = "top_products_revenue"
ORDERS_BY_STATUS = "orders_by_status"
RESTOCK_REQUESTS = "restock_requests"
# Stored in minor units, returned in major units.
MONEY = frozenset({REVENUE_TOTAL, CANCELLED_REVENUE, REVENUE_PER_MINUTE, TOP_PRODUCTS_REVENUE})
NAMES = MONEY | {ORDERS_TOTAL, ORDERS_PER_MINUTE, TOP_PRODUCTS_UNITS, ORDERS_BY_STATUS, RESTOCK_REQUESTS}
TOTAL = ""
MINUTE_US = 60_000_000

MetricKey = tuple[str, str]


class Tally:
    """Sums of events, grouped by the dimensions of the metrics."""

    def __init__(self) -> None:
        self.minutes: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.products: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.cancelled_minor = 0
        self.restock_requests = 0

    def add(self, events: Iterable[Event]) -> None:
        """Add events, each of which must be new."""
        for event in events:
            _, _, type_, occur_us, previous_status, status, total_minor, _, lines = event
            self.statuses[status] += 1
            self.statuses[previous_status] -= 1
            if type_ == ORDER_CREATED:
                minute = self.minutes[occur_us // MINUTE_US]
                minute[0] += 1
                minute[1] += total_minor
                for product_id, units, revenue_minor in lines:
                    product = self.products[product_id]
                    product[0] += units
                    product[1] += revenue_minor
            elif type_ == ORDER_CANCELLED:
                self.cancelled_minor += total_minor
            elif type_ == RESTOCK_REQUESTED:
                self.restock_requests += 1

    def deltas(self) -> dict[MetricKey, int]:
        """Return the change of each metric; unchanged metrics are left out."""
        changes: dict[MetricKey, int] = {
            (ORDERS_TOTAL, TOTAL): sum(orders for orders, _ in self.minutes.values()),
            (REVENUE_TOTAL, TOTAL): sum(revenue for _, revenue in self.minutes.values()),
            (CANCELLED_REVENUE, TOTAL): self.cancelled_minor,
            (RESTOCK_REQUESTS, TOTAL): self.restock_requests,
        }
        for minute, (orders, revenue_minor) in self.minutes.items():
            dimension = minute_text(minute)
            changes[ORDERS_PER_MINUTE, dimension] = orders
            changes[REVENUE_PER_MINUTE, dimension] = revenue_minor
        for product_id, (units, revenue_minor) in self.products.items():
            changes[TOP_PRODUCTS_UNITS, product_id] = units
            changes[TOP_PRODUCTS_REVENUE, product_id] = revenue_minor
        for status, orders in self.statuses.items():
            if status != Order.STATUS_UNSPECIFIED:
                changes[ORDERS_BY_STATUS, STATUS_NAMES[status]] = orders
        return {key: change for key, change in changes.items() if change}


def deltas(events: Iterable[Event]) -> dict[MetricKey, int]:
    """Return the change of each metric when these events, each of them new, are counted."""
    tally = Tally()
    tally.add(events)
    return tally.deltas()


@lru_cache(maxsize=4_096)
def minute_text(minute: int) -> str:
    """Return the dimension of a minute, given in minutes since 1970, such as 2026-03-11T22:00Z."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime(MINUTE_FORMAT)
