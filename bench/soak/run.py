"""Runs a stack from midnight to midnight: load, reconciliation, maintenance, figures."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from pydantic import SecretStr

from bench.soak.customers import Customers
from bench.soak.figures import SQL, figures
from faults.injection.clock import MovedClock
from orders.store import maintenance as orders_maintenance
from processor import maintenance as analytics_maintenance
from processor.settings import WorkSettings
from runtime.kafka import clients
from runtime.kafka.access import PROCESSOR
from runtime.kafka.topics import EVENT_TOPICS
from runtime.postgres.connections import connect_async
from runtime.postgres.retention import RetentionSettings
from stack.processes.process import started_through
from stack.processes.waiting import wait_until
from stack.running_stack import RunningStack, running_stack
from stack.servers.credentials import KAFKA_BROKER

FIRST_MIDNIGHT = date(2027, 12, 30)
BEFORE = timedelta(seconds=10)
SETTLE_SECONDS = 90
MAINTENANCE_SECONDS = 150
Reconciled = pipeline_pb2.ReconcileResponse
# Short, so that a run of many days reaches each of them; Kafka checks retention every five minutes.
RETENTION = {"ORDERMESH_OUTBOX_RETENTION_DAYS": "2", "ORDERMESH_PROCESSOR_RETENTION_DAYS": "4"}
# The clock of the publisher is not moved, so the broker sets the time of records.
TOPIC = {"message.timestamp.type": "LogAppendTime", "retention.ms": "86400000", "segment.bytes": "1048576"}


@dataclass(frozen=True)
class Plan:
    """The number of midnights, and the load across each."""

    midnights: int
    orders_per_second: float
    seconds: float
    say: Callable[[str], None] = print
    # Run the maintenance immediately instead of waiting for the services, which run it every minute.
    maintain_now: bool = False


@dataclass
class Night:
    """The result of one midnight."""

    midnight: date
    verdict: str = ""
    summary: str = ""
    covers_from: str = ""
    orders_stored: int = 0
    orders_counted: int = 0
    took_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def midnights(count: int) -> list[date]:
    """Return midnights: ends of months and years, a leap day, and consecutive days after each."""
    found: list[date] = []
    day = FIRST_MIDNIGHT
    while len(found) < count:
        found.append(day)
        # Consecutive days, then the last days of the next month.
        consecutive = len([one for one in found if one.month == day.month and one.year == day.year])
        month_end = (day.replace(day=1) + timedelta(days=62)).replace(day=1) - timedelta(days=1)
        day = month_end if consecutive >= 4 and day.day < 27 else day + timedelta(days=1)
    return found


@contextlib.contextmanager
def moved_stack(first: date) -> Iterator[tuple[RunningStack, MovedClock]]:
    """Run a stack whose clock is half a day before the first midnight."""
    with tempfile.TemporaryDirectory(prefix="ordermesh-clock-") as folder:
        clock = MovedClock(Path(folder))
        clock.set(at_midnight(first) - timedelta(hours=12))
        try:
            with started_through(clock.launcher), running_stack(env=RETENTION) as stack:
                set_topics(stack, TOPIC)
                yield stack, clock
        finally:
            clock.clear()


def set_topics(stack: RunningStack, settings: Mapping[str, str]) -> None:
    """Change the configuration of the event topics."""
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
    ]
    resources = [ConfigResource("topic", topic, incremental_configs=entries) for topic in EVENT_TOPICS]
    client = clients.probe(stack.context.kafka_settings(KAFKA_BROKER))
    for done in client.incremental_alter_configs(resources).values():
        done.result()


def at_midnight(day: date) -> datetime:
    """Return the start of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def soak(plan: Plan) -> Iterator[Night]:
    """Yield the result of each midnight of a plan."""
    days = midnights(plan.midnights)
    with moved_stack(days[0]) as (stack, clock):
        yield from nights(stack, clock, plan, days)


def nights(stack: RunningStack, clock: MovedClock, plan: Plan, days: Sequence[date]) -> Iterator[Night]:
    """Yield the results of these midnights."""
    with contextlib.closing(Customers(stack.channel(), seed=1)) as customers:
        customers.create_products()
        for midnight in days:
            yield one_night(stack, clock, customers, plan, midnight)


def one_night(stack: RunningStack, clock: MovedClock, customers: Customers, plan: Plan, midnight: date) -> Night:
    """Move to a midnight, load the platform across it, reconcile and measure."""
    started, night = time.monotonic(), Night(midnight)
    clock.set(at_midnight(midnight) - BEFORE)
    customers.load(plan.orders_per_second, plan.seconds, clock.now())
    reconcile(stack, night)
    compare(stack, customers, night)
    if plan.maintain_now:
        run_maintenance(stack)
    await_maintenance(stack, clock, night)
    # Again after maintenance: old days are dropped now.
    reconcile(stack, night)
    night.figures = figures(stack)
    night.problems += customers.wrong
    customers.wrong.clear()
    night.took_seconds = round(time.monotonic() - started, 1)
    plan.say(describe(night))
    return night


def reconcile(stack: RunningStack, night: Night) -> None:
    """Reconcile, repeatedly while events are in flight."""
    with stack.channel() as channel:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        give_up = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = stub.Reconcile(pipeline_pb2.ReconcileRequest(wait_seconds=30), timeout=SETTLE_SECONDS)
            if answer.verdict != Reconciled.IN_FLIGHT or time.monotonic() > give_up:
                break
            time.sleep(0.5)
    night.verdict, night.summary = Reconciled.Verdict.Name(answer.verdict), answer.summary
    if answer.HasField("coverage_start_time"):
        night.covers_from = f"{answer.coverage_start_time.ToDatetime():%Y-%m-%d}"
    if answer.verdict != Reconciled.AGREES:
        night.problems += [answer.summary, *(finding.message for finding in answer.findings)]
    if answer.dead_letters:
        night.problems.append(f"{answer.dead_letters} events are dead letters")


def compare(stack: RunningStack, customers: Customers, night: Night) -> None:
    """Compare stored and counted orders with those acknowledged."""
    night.orders_stored, twice = row(stack, "orders", SQL.stored)
    (night.orders_counted,) = row(stack, "analytics", SQL.counted)
    made = customers.orders_created()
    if not made == night.orders_stored == night.orders_counted:
        problem = f"{made} orders acknowledged, {night.orders_stored} stored, {night.orders_counted} counted"
        night.problems.append(problem)
    if twice:
        night.problems.append(f"{twice} request ids have more than one order")


def row(stack: RunningStack, database: str, query: Any) -> Sequence[Any]:
    """Return the single row of a query."""
    with psycopg.connect(stack.context.dsn(f"{database}_owner"), autocommit=True) as connection:
        found = connection.execute(query).fetchone()
    if found is None:
        raise psycopg.DataError("an aggregate query returns a row")
    return found


def run_maintenance(stack: RunningStack) -> None:
    """Run the maintenance of both databases."""
    retention: dict[str, Any] = {name.removeprefix("ORDERMESH_").lower(): int(days) for name, days in RETENTION.items()}
    processor = WorkSettings(
        analytics_dsn=SecretStr(stack.context.dsn("analytics_worker")),
        **stack.context.kafka_settings(PROCESSOR).model_dump(include={"kafka_bootstrap", "kafka_properties"}),
        **retention,
    )
    analytics_maintenance.run_once(processor)
    asyncio.run(maintain_orders(stack.context.dsn("orders_app"), processor))


async def maintain_orders(dsn: str, retention: RetentionSettings) -> None:
    """Run the maintenance of the orders database."""
    async with await connect_async(dsn, "soak") as connection:
        await orders_maintenance.run_once(connection, retention)


def await_maintenance(stack: RunningStack, clock: MovedClock, night: Night) -> None:
    """Wait until the services have created partitions, emptied the default ones and dropped old days."""
    wanted = {"event_outbox": 2, "processed_events": 3}

    def pending() -> list[str]:
        return [*pending_maintenance(stack, clock.now().astimezone(UTC).date(), wanted)]

    if not wait_until(lambda: not pending(), MAINTENANCE_SECONDS, poll_seconds=1):
        night.problems += pending()


def pending_maintenance(stack: RunningStack, today: date, days_ahead: Mapping[str, int]) -> Iterator[str]:
    """Yield what the maintenance has not done yet."""
    kept = {"event_outbox": 2, "processed_events": 5}
    for table, ahead in days_ahead.items():
        database = "orders" if table == "event_outbox" else "analytics"
        query = (
            "SELECT (SELECT count(*) FROM time_partitions(%s) WHERE first_day BETWEEN %s::date AND %s::date + %s),"
            f" (SELECT count(*) FROM {table}_default),"
            " (SELECT count(*) FROM time_partitions(%s) WHERE end_day <= %s::date - %s)"
        )
        with psycopg.connect(stack.context.dsn(f"{database}_owner"), autocommit=True) as connection:
            parameters = (table, today, today, ahead, table, today, kept[table])
            made, in_default, old = connection.execute(query, parameters).fetchone() or (0, 0, 0)
        if made < ahead + 1:
            yield f"{table} has {made} of {ahead + 1} partitions from {today} on"
        if in_default:
            yield f"{in_default} rows are in the default partition of {table}"
        if old:
            yield f"{old} partitions of {table} are past the retention"


def describe(night: Night) -> str:
    """Return the result of a night in a line."""
    tables = night.figures["tables"]
    outbox, memory = tables["event_outbox"], sum(night.figures["memory_mib"].values())
    return (
        f"{night.midnight} {night.verdict} {night.summary} | {night.orders_stored} orders,"
        f" outbox {outbox['rows']} rows in {outbox['partitions']} partitions, {memory:.0f} MiB,"
        f" Kafka {night.figures['kafka_log_mib']} MiB, {night.took_seconds} s"
        + "".join(f"\n  ! {p}" for p in night.problems)
    )
