"""The sales by product of exactly those orders that are counted, while counting is frozen."""

from __future__ import annotations

from cli.repair.comparison import DAY_SECONDS, FIRST_SECONDS, LAST_SECONDS, Sums
from orders.repair import published
from orders.store.queries import REPAIR
from processor.repair import counted
from processor.repair.counted import SQL
from runtime import timestamps
from runtime.postgres.connection_types import Connection


class SalesUnknown(Exception):
    """Orders that are not counted cannot be named: the outbox has dropped their events."""


def counted_sales(orders: Connection, analytics: Connection) -> dict[str, tuple[int, int]]:
    """Return units and revenue by product: of all orders, without those that are not counted. Raises SalesUnknown."""
    with published.snapshot(orders):
        sales = published.product_sums(orders)
        missing = uncounted_orders(orders, analytics)
        for product, (units, revenue_minor) in published.product_sums(orders, missing).items():
            sales[product] = (sales[product][0] - units, sales[product][1] - revenue_minor)
    return sales


def uncounted_orders(orders: Connection, analytics: Connection) -> set[str]:
    """Return the orders whose ORDER_CREATED is not counted. Raises SalesUnknown."""
    held_since, missing = published.held_since(orders), set()
    for day in differing_periods(orders, analytics, "DAY", FIRST_SECONDS, LAST_SECONDS):
        for minute in differing_periods(orders, analytics, "MINUTE", day, day + DAY_SECONDS):
            if minute < held_since:
                raise SalesUnknown(f"the outbox has dropped the events of minute {timestamps.minute_text(minute)}")
            created = dict(orders.execute(REPAIR.created_events, {"minute": minute}).fetchall())
            found = counted.counted_events(analytics, minute).events
            missing |= {key for event_id, key in created.items() if event_id not in found}
    return missing


def differing_periods(orders: Connection, analytics: Connection, period: str, start: int, end: int) -> list[int]:
    """Return the periods of which not exactly the accepted orders are counted."""
    wanted = {"period": period, "start": start, "end": end}
    accepted: Sums = {row[0]: row[1:] for row in orders.execute(REPAIR.created_sums, wanted)}
    known: Sums = {row[0]: row[1:] for row in analytics.execute(SQL.created_sums, wanted)}
    return [each for each in sorted(accepted) if accepted[each] != known.get(each)]
