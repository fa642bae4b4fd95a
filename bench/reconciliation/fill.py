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
    """How many orders there are, of how many days up to now, and how many of these have rows.

    The others have their sums only: a reconciliation reads rows of minutes that differ, and of no other.
    """

    orders: int
    days: int
    days_with_rows: int
    start_ms: int
    say: Callable[[str], None] = print

    @classmethod
    def until_now(cls, orders: int, days: int, days_with_rows: int) -> Plan:
        """Return a plan whose last order is two minutes old."""
        end_ms = int(time.time()) // 60 * 60_000 - 120_000
        return cls(orders, days, min(days, days_with_rows), end_ms - days * DAY_MS)

    @property
    def first(self) -> int:
        """The first order that has a row; it begins a minute."""
        return round((self.days - self.days_with_rows) * DAY_MS / self.step_ms)

    @property
    def rows_start_ms(self) -> int:
        """When the orders with rows begin."""
        return self.start_ms + (self.days - self.days_with_rows) * DAY_MS

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
        return max(self.first, -int(-(ms - self.start_ms) // self.step_ms))

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
            spread(stack, "orders", SQL.fill_orders, plan, plan.first)
        with timed(took, "events", plan):
            spread(stack, "orders", SQL.fill_outbox, plan, plan.since(plan.day(HELD_DAYS["event_outbox"])))
            spread(stack, "analytics", SQL.fill_processed, plan, plan.since(plan.day(HELD_DAYS["processed_events"])))
        with timed(took, "ledgers", plan):
            orders.execute(SQL.create_minutes)
            spread(stack, "orders", SQL.sum_minutes, plan, plan.first)
            spread(stack, "orders", SQL.sum_products, plan, plan.first)
            if plan.first:
                before = {"start_ms": plan.start_ms, "end_ms": plan.rows_start_ms, "step_ms": plan.step_ms}
                orders.execute(SQL.invent_minutes, before)
                orders.execute(SQL.invent_products)
            orders.execute(SQL.begin_order_ledger)
            orders.execute(SQL.begin_event_ledger)
        with timed(took, "metrics", plan):
            copy_ledgers(orders, analytics)
        with timed(took, "comparing days", plan):
            analytics.execute(SQL.compare_days)
        for connection in (orders, analytics):
            connection.execute(SQL.analyze)
        orders.execute(SQL.checkpoint)
    return took


def migration_seconds(connection: psycopg.Connection, plan: Plan) -> float:
    """Return how long the migration to ledgers takes to sum up a million orders, measured with the last ones."""
    first_ms = plan.start_ms + round(plan.since(plan.day(1)) * plan.step_ms)
    ids = {"first_id": f"{first_ms:012x}{0:020x}"}
    started = time.monotonic()
    row = connection.execute(SQL.migrate_orders, ids).fetchone()
    connection.execute(SQL.migrate_products, ids)
    return round((time.monotonic() - started) / int(row[0] if row else 0) * 1e6, 1)


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
            connection.execute(statement, part)

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
