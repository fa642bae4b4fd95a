"""Measures reconciliations of a filled platform: wall time and CPU, without and with differences, and under load."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, LiteralString

from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc

from bench.reconciliation.fill import SQL, Plan, fill, migration_seconds
from bench.subjects.accounting import Cost, await_quiet, measure_cost
from bench.subjects.pipeline import GROUPS, connected
from stack.running_stack import RunningStack, running_stack

ROUNDS = 10
CALL_SECONDS = 600
Verdict = pipeline_pb2.ReconcileResponse.Verdict
Kind = pipeline_pb2.ReconcileResponse.Finding.Kind
# What is changed behind the platform's back: in which database, by which statement, and the kind that must name it.
PLANTED: Sequence[tuple[str, LiteralString, str]] = (
    ("analytics", SQL.move_units, "METRIC"),
    ("analytics", SQL.change_minute, "METRIC"),
    ("orders", SQL.change_status, "ORDER"),
    ("analytics", SQL.lose_event, "LOST"),
)


@dataclass
class Point:
    """The figures for a number of orders."""

    orders: int
    days: int
    days_with_rows: int
    fill_seconds: dict[str, float] = field(default_factory=dict)
    migration_seconds_per_million: float = 0.0
    database_bytes: int = 0
    agreeing: dict[str, Any] = field(default_factory=dict)
    differing: list[dict[str, Any]] = field(default_factory=list)
    every_minute_ms: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def measure(plan: Plan) -> Point:
    """Fill a platform and measure it."""
    point = Point(plan.orders, plan.days, plan.days_with_rows)
    with running_stack() as stack:
        point.fill_seconds = fill(stack, plan)
        with connected(stack.context.admin_dsn, "orders") as admin:
            row = admin.execute(SQL.database_bytes).fetchone()
            point.database_bytes = int(row[0]) if row else 0
            row = admin.execute(SQL.ledger_orders).fetchone()
            point.orders = int(row[0]) if row else 0
            point.migration_seconds_per_million = migration_seconds(admin, plan)
        point.agreeing = agreeing(stack, point)
        plan.say(f"{plan.orders:,} orders agree: {point.agreeing}")
        point.every_minute_ms = stack_status(stack).reconciliation.duration_ms
        for database, statement, kind in PLANTED:
            found = differing(stack, plan, database, statement, kind)
            point.differing.append(found)
            plan.say(f"{plan.orders:,} orders, {found}")
        point.problems += [f"{one['kind']} is not named: {one}" for one in point.differing if not one["named"]]
    return point


def agreeing(stack: RunningStack, point: Point) -> dict[str, Any]:
    """Return wall time and CPU of a reconciliation that finds nothing, over some in a row."""
    answer = reconcile(stack)
    if answer.verdict != Verdict.AGREES or answer.compared_orders != point.orders:
        point.problems.append(f"not what was filled: {answer.summary}, {answer.compared_orders} orders")
    roots = {group: [stack.pid(component)] for group, component in GROUPS.items()}
    await_quiet(roots)
    walls: list[float] = []

    def some() -> None:
        for _ in range(ROUNDS):
            started = time.monotonic()
            reconcile(stack)
            walls.append(time.monotonic() - started)

    busy, seconds, elsewhere = spent(roots, some)
    idle, _, _ = spent(roots, lambda: time.sleep(seconds))
    cpu = {group: round((busy[group] - idle[group]) / 1e3 / ROUNDS, 1) for group in busy}
    return {
        "wall_ms_median": round(statistics.median(walls) * 1000, 1),
        "wall_ms_max": round(max(walls) * 1000, 1),
        "cpu_ms": cpu,
        "cpu_ms_total": round(sum(cpu.values()), 1),
        "share_of_a_core_every_minute": round(sum(cpu.values()) / 60_000, 5),
        "cores_elsewhere": elsewhere,
    }


def spent(roots: dict[str, list[int]], work: Callable[[], None]) -> tuple[dict[str, int], float, float]:
    """Return the CPU time of each group in µs during some work, how long it took, and the cores used by others."""
    before: Cost = measure_cost(roots)
    work()
    after = measure_cost(roots)
    used = after.since(before)
    return used, after.at_seconds - before.at_seconds, after.cores_elsewhere(before, sum(used.values()))


def differing(stack: RunningStack, plan: Plan, database: str, statement: LiteralString, kind: str) -> dict[str, Any]:
    """Change something, and return how long it takes to be named; what was changed stays for the next."""
    # An order of yesterday, of which both databases hold the events.
    n = plan.since(plan.day(1)) // 4 * 4 + 4
    with connected(stack.context.admin_dsn, database) as admin:
        parameters = {"n": n, "start_ms": plan.start_ms, "step_ms": plan.step_ms}
        changed = {row[0] for row in admin.execute(statement, parameters)}
    started = time.monotonic()
    answer = reconcile(stack)
    wall = time.monotonic() - started
    of_kind = [one for one in answer.findings if Kind.Name(one.kind) == kind]
    named = {name for one in of_kind for name in (*one.event_ids, *one.order_ids, one.dimension)}
    return {
        "changed": sorted(changed),
        "kind": kind,
        "named": bool(changed) and changed <= named,
        "wall_ms": round(wall * 1000, 1),
        "verdict": Verdict.Name(answer.verdict),
    }


def reconcile(stack: RunningStack) -> pipeline_pb2.ReconcileResponse:
    """Ask for a reconciliation."""
    with stack.channel() as channel:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        answer: pipeline_pb2.ReconcileResponse
        answer = stub.Reconcile(pipeline_pb2.ReconcileRequest(wait_seconds=30), timeout=CALL_SECONDS)
        return answer


def stack_status(stack: RunningStack) -> pipeline_pb2.PipelineStatus:
    """Return the status of the pipeline."""
    with stack.channel() as channel:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        answer: pipeline_pb2.PipelineStatus = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=CALL_SECONDS)
        return answer
