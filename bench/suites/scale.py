"""Throughput by the number of publishers, workers and orders replicas, each of which has a small share of a core.

The shares stand for cores that the machine does not have: with them the replicas are the limit, and PostgreSQL, Kafka
and Envoy have the rest. What does not grow in proportion is what the replicas wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.loads import h2load
from bench.loads.closed_model import GRPC
from bench.measure import outbox_backlog, stages
from bench.measure.cpu_share import shares_of
from bench.subjects import accounting
from bench.subjects.pipeline import SQL, Probe
from bench.subjects.servers import Servers, free_port, plain_front, running_servers
from stack.processes import proc
from stack.processes.waiting import wait_until
from stack.supervision import components

REPLICAS = (1, 2, 4, 8)
SHARDS = 64
SHARE = 0.05
# So little that almost nothing happens, and that members of a group still answer.
NEXT_TO_NOTHING = 0.005
# More than a replica does with its share, so that there is always work.
PUBLISHED_PER_SECOND, COUNTED_PER_SECOND = 4_000, 7_000
# About what a replica does with it.
CREATED_PER_SECOND = 200
# The first part of a run is not counted.
SETTLE_SECONDS = 3.0
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Scaled:
    """The throughput of a number of replicas: units a second, and CPU µs per unit by group of processes."""

    what: str
    replicas: int
    share: float
    units: int
    per_second: float
    cpu_us: dict[str, float]
    cores_elsewhere: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def curves(seconds: float, replicas: Sequence[int] = REPLICAS) -> Iterator[Scaled]:
    """Yield the throughput of publishers, workers and orders replicas, each measured for `seconds`."""
    for measure in (publishers, workers, orders):
        for count in replicas:
            yield measure(count, seconds)


def publishers(count: int, seconds: float) -> Scaled:
    """Measure publishers that share the shards of a full outbox. Raises SharesMissing."""
    env = {"ORDERMESH_PUBLISHER_SHARDS": str(SHARDS // count)}
    with running_servers(env) as servers, stages.prepared(servers) as (database, _):
        for number in range(count):
            settings = servers.context.settings.model_copy(update={"publisher_metrics_port": free_port()})
            component = components.publisher(replace(servers.context, settings=settings))
            servers.component(replace(component, name=f"publisher-{number}"))
        pids = [pid for name, found in servers.roots.items() if name.startswith("publisher-") for pid in found]
        with shares_of(pids, NEXT_TO_NOTHING) as shares:
            outbox_backlog.fill(
                servers.context.admin_dsn, work(count, SETTLE_SECONDS * 2 + seconds, PUBLISHED_PER_SECOND)
            )
            shares.set(SHARE)
            return drained("publishers", count, servers, Probe(database, SQL.published), seconds)


def workers(count: int, seconds: float) -> Scaled:
    """Measure workers that share the partitions of a full topic. Raises SharesMissing."""
    with running_servers(processor_workers=count) as servers, stages.prepared(servers) as (database, analytics):
        servers.component(components.processor(servers.context))
        pids = proc.descendants(servers.roots["processor"][0])
        with shares_of(pids, NEXT_TO_NOTHING) as shares:
            events = work(count, SETTLE_SECONDS * 2 + seconds, COUNTED_PER_SECOND)
            outbox_backlog.fill(servers.context.admin_dsn, events)
            publisher = components.publisher(servers.context)
            servers.component(publisher)
            published = Probe(database, SQL.published)
            wait_until(lambda: published() >= events, WAIT_SECONDS)
            publisher.runner.stop()
            shares.set(SHARE)
            return drained("workers", count, servers, Probe(analytics, SQL.product_counted), seconds)


def orders(count: int, seconds: float) -> Scaled:
    """Measure orders replicas behind one Envoy, with as many calls at a time for each. Raises SharesMissing."""
    port, load = free_port(), replace(GRPC, connections=count)
    with running_servers(orders_processes=count, auth="off") as servers, stages.prepared(servers):
        context = servers.context
        servers.component(components.orders(context))
        servers.envoy(
            plain_front(port, context.run_dir / "front.sock", context.orders_sockets), context.run_dir / "front.sock"
        )
        with shares_of(proc.descendants(servers.roots["orders"][0]), SHARE):
            h2load.run(load, port, work(count, SETTLE_SECONDS, CREATED_PER_SECOND))
            before = accounting.measure_cost(servers.roots)
            answers = h2load.run(load, port, work(count, seconds, CREATED_PER_SECOND))
            after = accounting.measure_cost(servers.roots)
    cpu_us = {**after.since(before), "generator": answers.cpu_us}
    elsewhere = after.cores_elsewhere(before, sum(cpu_us.values()))
    each = {group: round(used / answers.calls, 2) for group, used in cpu_us.items()}
    return Scaled("orders", count, SHARE, answers.calls, round(answers.calls / answers.seconds, 1), each, elsewhere)


def drained(what: str, count: int, servers: Servers, done: Probe, seconds: float) -> Scaled:
    """Measure the replicas for some seconds, from when they have begun."""
    wait_until(lambda: done() > 0, WAIT_SECONDS)
    time.sleep(SETTLE_SECONDS)
    first, before = done(), accounting.measure_cost(servers.roots)
    time.sleep(seconds)
    units, after = done() - first, accounting.measure_cost(servers.roots)
    spent, took = after.since(before), after.at_seconds - before.at_seconds
    each = {group: round(used / max(units, 1), 2) for group, used in merged(spent).items()}
    return Scaled(
        what, count, SHARE, units, round(units / took, 1), each, after.cores_elsewhere(before, sum(spent.values()))
    )


def merged(cpu_us: dict[str, int]) -> dict[str, int]:
    """Return the CPU time by group, that of publishers as one."""
    found: dict[str, int] = {}
    for name, used in cpu_us.items():
        group = name.rstrip("-0123456789")
        found[group] = found.get(group, 0) + used
    return found


def work(count: int, seconds: float, each_per_second: float) -> int:
    """Return an amount of work for replicas."""
    return round(count * seconds * each_per_second)
