"""Fills both databases with orders of many days by SQL, as if retention had dropped the events of most of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from bench.subjects.pipeline import connected
from runtime.postgres.queries import Queries
from stack.running_stack import RunningStack

SQL = Queries("bench.reconciliation", "fill.sql")
DAY_MS = 86_400_000
# So many days of events the platform holds by default.
HELD_DAYS = {"event_outbox": 7, "processed_events": 30}
SESSIONS = 2
COPIES = (
    (SQL.copy_events_out, SQL.copy_events_in),
    (SQL.copy_orders_out, SQL.copy_orders_in),
    (SQL.copy_products_out, SQL.copy_products_in),
)


@dataclass(frozen=True)
class Plan:
    """How many orders there are, of how many days up to now."""

    orders: int
    days: int
    start_ms: int
    say: Callable[[str], None] = print

    @classmethod
    def until_now(cls, orders: int, days: int) -> Plan:
        """Return a plan whose last order is two minutes old."""
        return cls(orders, days, (int(time.time()) - 120) * 1000 - days * DAY_MS)

    @property
    def step_ms(self) -> float:
        """The time between two orders."""
        return self.days * DAY_MS / self.orders

    def day(self, ago: int) -> date:
        """Return a day before today."""
        return (datetime.now(UTC) - timedelta(days=ago)).date()

    def since(self, day: date) -> int:
        """Return the first order of a day, 0 if the day is before all of them."""
        ms = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000
        return max(0, -int(-(ms - self.start_ms) // self.step_ms))

    def chunks(self, first: int, size: int) -> Iterator[dict[str, Any]]:
        """Yield the parameters of parts of the orders from the first one on."""
        for start in range(first, self.orders, size):
            last = min(start + size, self.orders) - 1
            yield {"first": start, "last": last, "start_ms": self.start_ms, "step_ms": self.step_ms}


def fill(stack: RunningStack, plan: Plan) -> dict[str, float]:
    """Fill both databases; return how long each step took in seconds."""
    took: dict[str, float] = {}
    with (
        connected(stack.context.admin_dsn, "orders") as orders,
        connected(stack.context.admin_dsn, "analytics") as analytics,
    ):
        for connection in (orders, analytics):
            connection.execute(SQL.create_bulk_orders)
            connection.execute(SQL.commit_without_waiting)
            connection.execute(SQL.fill_without_triggers)
        orders.execute(SQL.no_autovacuum)
        orders.execute(SQL.reload)
        for connection, table in ((orders, "event_outbox"), (analytics, "processed_events")):
            for ago in range(HELD_DAYS[table] + 1):
                connection.execute(SQL.make_partition, {"table": table, "day": plan.day(ago)})
            connection.execute(SQL.drop_earlier, {"table": table, "day": plan.day(HELD_DAYS[table])})
        with timed(took, "orders", plan):
            spread(stack, "orders", SQL.fill_orders, plan, 0)
        with timed(took, "events", plan):
            spread(stack, "orders", SQL.fill_outbox, plan, plan.since(plan.day(HELD_DAYS["event_outbox"])))
            spread(stack, "analytics", SQL.fill_processed, plan, plan.since(plan.day(HELD_DAYS["processed_events"])))
        with timed(took, "sums of the migration", plan):
            spread(stack, "orders", SQL.sum_orders, plan, 0)
            spread(stack, "orders", SQL.sum_products, plan, 0)
        with timed(took, "sums of events", plan):
            spread(stack, "orders", SQL.sum_events, plan, 0)
        with timed(took, "metrics", plan):
            copy_ledgers(orders, analytics)
        with timed(took, "comparing days", plan):
            analytics.execute(SQL.compare_days)
        for connection in (orders, analytics):
            connection.execute(SQL.analyze)
        orders.execute(SQL.checkpoint)
    return took


@contextmanager
def timed(took: dict[str, float], step: str, plan: Plan) -> Iterator[None]:
    """Note how long a step takes."""
    started = time.monotonic()
    yield
    took[step] = round(time.monotonic() - started, 1)
    plan.say(f"{plan.orders:,} orders: {step} in {took[step]:,.1f} s")


def spread(stack: RunningStack, database: str, statement: LiteralString, plan: Plan, first: int) -> None:
    """Execute a statement for parts of the orders, in a few sessions at a time."""
    size = max(1, min(1_000_000, -(-(plan.orders - first) // SESSIONS)))

    def run(part: dict[str, Any]) -> None:
        with connected(stack.context.admin_dsn, database) as connection:
            for setting in (SQL.fill_without_triggers, SQL.commit_without_waiting, SQL.more_memory):
                connection.execute(setting)
            ids = {
                f"{end}_id": f"{plan.start_ms + round(part[end] * plan.step_ms) + by:012x}70008{0:015x}"
                for end, by in (("first", 0), ("last", 1))
            }
            connection.execute(statement, part | ids)

    with ThreadPoolExecutor(SESSIONS) as sessions:
        list(sessions.map(run, plan.chunks(first, size)))


def copy_ledgers(orders: psycopg.Connection, analytics: psycopg.Connection) -> None:
    """Add up the ledgers of orders, copy them to the analytics database, and add the metrics that follow."""
    orders.execute(SQL.fold)
    analytics.execute(SQL.products)
    for read, write in COPIES:
        with orders.cursor().copy(read) as source, analytics.cursor().copy(write) as target:
            for block in source:
                target.write(block)
    analytics.execute(SQL.fill_metrics)
