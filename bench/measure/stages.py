"""Single stages: a publisher that drains an outbox, a worker that counts a log, and the work of the handler."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from bench.loads import bodies
from bench.measure import outbox_backlog
from bench.subjects import accounting
from bench.subjects.accounting import Roots
from bench.subjects.pipeline import SQL, NotDrained, Probe, connected
from bench.subjects.servers import Servers, running_servers
from orders.api import validation
from orders.domain.order import CREATED
from orders.store.insert_orders import order_parameters, plan_order
from stack.supervision import components
from stack.supervision.component import Component

POLL_SECONDS = 0.01
DRAIN_SECONDS = 300.0
HANDLER_ORDERS = 20_000
HANDLER_BATCH = 100


@dataclass(frozen=True)
class Stage:
    """The result of a single stage, from its first batch to its last."""

    stage: str
    events: int
    seconds: float
    events_per_second: float
    cpu_us_per_event: dict[str, float]
    settings: dict[str, Any]
    cores_elsewhere: float = 0.0
    # The stage of the product that it is compared with.
    beside: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def publisher_and_worker(events: int, *, workers: int = 1, batch_events: int = 1000) -> Iterator[Stage]:
    """Yield the publisher draining a full outbox, then the workers counting the published events."""
    env = {"ORDERMESH_PUBLISHER_BATCH_EVENTS": str(batch_events)}
    with running_servers(env, processor_workers=workers) as servers, prepared(servers) as (orders, analytics):
        outbox_backlog.fill(servers.context.admin_dsn, events)
        published = Probe(orders, SQL.published)
        publisher = components.publisher(servers.context)
        yield drained(servers, publisher, published, events, "publisher", {"batch_events": batch_events})
        publisher.runner.stop()
        counted = Probe(analytics, SQL.product_counted)
        yield drained(servers, components.processor(servers.context), counted, events, "worker", {"workers": workers})


@contextmanager
def prepared(servers: Servers) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Create databases, tables and topics, and connect to both databases."""
    for component in components.startup_tasks(servers.context):
        servers.component(component)
    admin = servers.context.admin_dsn
    with connected(admin, "orders") as orders, connected(admin, "analytics") as analytics:
        yield orders, analytics


def drained(
    servers: Servers, component: Component, done: Callable[[], int], events: int, stage: str, settings: dict[str, Any]
) -> Stage:
    """Start a component and measure it until it has processed all events."""
    servers.component(component)
    return followed(servers.roots, done, events, stage, settings)


def followed(
    roots: Roots, done: Callable[[], int], events: int, stage: str, settings: dict[str, Any], *, beside: str = ""
) -> Stage:
    """Measure from the first processed batch to the last. Raises NotDrained after DRAIN_SECONDS."""
    deadline = time.monotonic() + DRAIN_SECONDS

    def wait(for_events: int) -> int:
        while (now := done()) < for_events:
            if time.monotonic() > deadline:
                raise NotDrained(f"{stage}: {now} of {events} events after {DRAIN_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        return now

    first = wait(1)
    before, began = accounting.measure_cost(roots), time.monotonic()
    wait(events)
    seconds = time.monotonic() - began
    after = accounting.measure_cost(roots)
    spent = after.since(before)
    elsewhere = after.cores_elsewhere(before, sum(spent.values()))
    measured = max(events - first, 1)
    cpu = {name: round(used / measured, 2) for name, used in spent.items()}
    return Stage(stage, events, round(seconds, 3), round(measured / seconds, 1), cpu, settings, elsewhere, beside)


def handler() -> Stage:
    """Measure the CPU work of the handler: validate an order, encode its event, build the parameters."""
    request = bodies.order()
    gc.collect()
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(HANDLER_ORDERS // HANDLER_BATCH):
        now_us = time.time_ns() // 1000
        checked = [validation.new_order(request, outbox_backlog.TRACEPARENT, None) for _ in range(HANDLER_BATCH)]
        batch = [plan_order(order, CREATED, now_us) for order in checked]
        order_parameters(batch, "bench")
    seconds, cpu_us = time.perf_counter() - began, (time.process_time() - began_cpu) * 1e6
    cost = {"orders": round(cpu_us / HANDLER_ORDERS, 2)}
    rate = round(HANDLER_ORDERS / seconds, 1)
    return Stage("validate and encode", HANDLER_ORDERS, round(seconds, 3), rate, cost, {"batch_orders": HANDLER_BATCH})
