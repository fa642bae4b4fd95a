"""Cost of growing work: larger orders, larger backlogs, an old snapshot; the figures should stay constant."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ordermesh.orders.v1.orders_pb2 import CreateOrderRequest

from bench.loads import h2load
from bench.loads.bodies import framed
from bench.loads.closed_model import GRPC_HEADERS, SERVICE, Load
from bench.measure import outbox_backlog, stages
from bench.measure.end_to_end import measured
from bench.subjects.pipeline import SQL, Probe, connected, product
from bench.subjects.servers import running_servers
from stack.supervision import components

ITEMS = (1, 10, 100, 1000)
ITEM_CALLS = {1: 8000, 10: 6000, 100: 1500, 1000: 200}
BACKLOG_SHARES = (0.1, 1, 5)
ORDER_SHARES: tuple[float, ...] = (0.1, 1, 10)
PRODUCT_SHARES = (0.01, 0.1, 1)
SNAPSHOT_SHARE = 0.1
SNAPSHOT_ROUNDS = 6


@dataclass(frozen=True)
class Point:
    """One point of a curve."""

    curve: str
    size: int
    per_second: float
    cpu_us: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def load_of(items: int) -> Load:
    """Return a load of orders with a number of items."""
    request = CreateOrderRequest(customer_id="cust-123")
    for number in range(items):
        request.items.add(product_id=f"p{number % 1000 + 1}", quantity=1, price=10)
    body = framed(request.SerializeToString())
    return Load(f"{items} items", f"{SERVICE}/CreateOrder", lambda: body, GRPC_HEADERS, connections=4, streams=16)


def items_per_order() -> Iterator[Point]:
    """Yield the cost per item for orders of growing size."""
    with product() as subject:
        for items in ITEMS:
            load = load_of(items)
            h2load.run(subject.accepted(load), subject.port, max(ITEM_CALLS[items] // 5, 64))
            subject.drain(subject.stored())
            run = measured(subject, load, ITEM_CALLS[items])
            cpu = {name: round(us / items, 3) for name, us in run.cpu_us_per_order.items()}
            yield Point("items per order (per item)", items, round(run.orders_per_second * items, 1), cpu)


def after(done: Callable[[], int], before: int) -> Callable[[], int]:
    """Return a function that counts from a starting value."""
    return lambda: done() - before


def backlog(sizes: Sequence[int]) -> Iterator[Point]:
    """Yield the cost of publisher and worker for backlogs of growing size."""
    for events in sizes:
        for stage in stages.publisher_and_worker(events):
            yield Point(f"backlog: {stage.stage}", events, stage.events_per_second, stage.cpu_us_per_event)


def old_snapshot(events: int, seconds: float) -> Iterator[Point]:
    """Yield the cost of the publisher in several rounds, while another session holds a snapshot from before them."""
    with contextlib.ExitStack() as held:
        servers = held.enter_context(running_servers())
        orders, _ = held.enter_context(stages.prepared(servers))
        holder = held.enter_context(connected(servers.context.admin_dsn, "orders"))
        holder.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute(SQL.hold_snapshot)
        publisher, published = components.publisher(servers.context), Probe(orders, SQL.published)
        for number in range(1, SNAPSHOT_ROUNDS + 1):
            if number > 1:
                time.sleep(seconds / (SNAPSHOT_ROUNDS - 1))
            outbox_backlog.fill(servers.context.admin_dsn, events)
            before = published()
            stage = stages.drained(servers, publisher, after(published, before), events, "publisher", {})
            publisher.runner.stop()
            yield Point("held snapshot: publisher", number * events, stage.events_per_second, stage.cpu_us_per_event)
