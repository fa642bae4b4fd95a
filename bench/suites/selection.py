"""The suites by name, each of which adds its measurements to the result of a run."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain

from bench.bare.pipeline import bare
from bench.bare.settings import Engine
from bench.bare.stages import bare_stages
from bench.loads.closed_model import BATCHES, GRPC, REST, Load
from bench.measure import open_model, stages
from bench.measure.cpu_share import SharesMissing
from bench.measure.end_to_end import Run, peak
from bench.measure.stages import Stage
from bench.peers import environment, pipelines
from bench.peers.stages import peer_stages
from bench.report.result import Result
from bench.subjects.pipeline import NotDrained, Subject, probes, product
from bench.suites import growth, levers, overload, resources, scale, security, tables, tracing
from stack.errors import StackError
from stack.running_stack import running_stack

FAILURES = (StackError, NotDrained, SharesMissing, TimeoutError, OSError, subprocess.CalledProcessError)


@dataclass(frozen=True)
class Plan:
    """The duration and size of each suite."""

    seconds: float = 3.0
    rounds: int = 4
    peer_seconds: float = 8.0
    flood_seconds: float = 8.0
    lever_seconds: float = 3.0
    steady_seconds: float = 60.0
    long_seconds: float = 300.0
    step_seconds: float = 8.0
    events: int = 1_000_000
    snapshot_seconds: float = 600.0
    scale_seconds: float = 12.0
    say: Callable[[str], None] = print


Suite = Callable[[Result, Plan], None]
# The product and the bare pipeline, in turn.
SUBJECTS: Mapping[str, tuple[Callable[[], AbstractContextManager[Subject]], tuple[Load, ...]]] = {
    "product": (lambda: product(orders_lane=True), (GRPC, REST, BATCHES)),
    "bare-native": (lambda: bare(Engine.NATIVE), (GRPC, REST, BATCHES)),
    "product-grpcio": (lambda: product("product-grpcio"), (GRPC, REST, BATCHES)),
    "bare-grpcio": (lambda: bare(Engine.GRPCIO), (GRPC, REST, BATCHES)),
}
PEERS: Mapping[str, tuple[Callable[[], AbstractContextManager[Subject]], tuple[Load, ...]]] = {
    "fastapi": (pipelines.fastapi, (REST,)),
    "fastapi-queue": (pipelines.fastapi_queue, (REST,)),
    "grpcio-plain": (pipelines.grpcio, (GRPC, REST)),
}
# Peers are slower, so their stages get a share of the events of the product's stages.
PEER_EVENTS_SHARE = 0.02
# The short turns of each round.
TURNS = 4
STEPS = (500, 1000, 1500, 2000, 2500, 3000)


def peaks(result: Result, plan: Plan) -> None:
    """Measure the peaks of the product and the bare pipeline on both engines, in several rounds."""
    for _ in range(plan.rounds):
        for name, (run, loads) in SUBJECTS.items():
            measure_peaks(result, plan, name, run, loads, plan.seconds)


def peers(result: Result, plan: Plan) -> None:
    """Measure the alternatives built with other tools."""
    with problems_recorded(result, "versions of peers"):
        result.versions |= environment.versions()
    for name, (run, loads) in PEERS.items():
        measure_peaks(result, plan, name, run, loads, plan.peer_seconds)
    with problems_recorded(result, "stages of peers"):
        add_stages(result, plan, peer_stages(round(plan.events * PEER_EVENTS_SHARE)))


def measure_peaks(
    result: Result,
    plan: Plan,
    name: str,
    run: Callable[[], AbstractContextManager[Subject]],
    loads: tuple[Load, ...],
    seconds: float,
) -> None:
    """Measure a subject under its loads; a failure is recorded in the result."""
    with problems_recorded(result, name), run() as subject:
        for load in loads:
            add_peak(result, plan, peak(subject, load, seconds))


def add_peak(result: Result, plan: Plan, found: Run) -> None:
    """Add a peak to the result."""
    result.peaks.append(found.as_json())
    note = "" if found.reconciled else ", NOT RECONCILED"
    plan.say(
        f"{found.subject:15} {found.load:6} {found.orders_per_second:9,.0f} orders/s"
        f" {found.cpu_us_per_order_total:7.0f} µs/order, others {found.cores_elsewhere:.2f} cores{note}"
    )


def priced(result: Result, plan: Plan) -> None:
    """Measure the price of authentication and TLS, in several rounds."""
    with problems_recorded(result, "security"):
        for found in security.prices(plan.rounds, plan.seconds):
            add_peak(result, plan, found)


def traced(result: Result, plan: Plan) -> None:
    """Measure the price of tracing, in many turns, and of the span of a call."""
    with problems_recorded(result, "tracing"):
        add_stages(result, plan, tracing.calls())
        for found in tracing.prices(plan.rounds * TURNS, plan.seconds / TURNS * 2):
            add_peak(result, plan, found)


def steady(result: Result, plan: Plan) -> None:
    """Run 1,000 orders/s over REST for a minute."""
    fixed_rate(result, plan, ("--rate", "1000"), plan.steady_seconds)


def long(result: Result, plan: Plan) -> None:
    """Run 1,000 orders/s over REST for five minutes."""
    fixed_rate(result, plan, ("--rate", "1000"), plan.long_seconds)


def ladder(result: Result, plan: Plan) -> None:
    """Increase the offered rate in steps beyond the capacity of the machine."""
    shape = ("--steps", ",".join(map(str, STEPS)))
    fixed_rate(result, plan, shape, plan.step_seconds * len(STEPS))


def overloaded(result: Result, plan: Plan) -> None:
    """Offer three times the peak rate."""
    with problems_recorded(result, "overload"):
        for found in overload.floods(plan.flood_seconds):
            result.overload.append(found.as_json())
            plan.say(str(result.overload[-1]))


def fixed_rate(result: Result, plan: Plan, shape: tuple[str, str], seconds: float) -> None:
    """Run the load generator against the platform."""
    with problems_recorded(result, shape[1]), running_stack() as running, probes(running) as subject_of:
        subject = subject_of("product", running.context.settings.front_port)
        found = open_model.run(subject_of, subject, "rest", shape, seconds)
        result.open_runs.append(found.as_json())
        outcome, orders = found.generator["outcome"], found.generator["orders"]
        plan.say(
            f"{shape[1]}/s for {seconds:g} s: {orders['accepted']:,} of {orders['offered']:,} accepted,"
            f" {outcome['name']}, {found.generator['latency_ms']['accepted']}"
        )


def alone(result: Result, plan: Plan) -> None:
    """Measure single stages of the product and of the bare pipeline."""
    result.stages.append(stages.handler().as_json())
    add_stages(result, plan, chain(stages.publisher_and_worker(plan.events), bare_stages(plan.events)))


def add_stages(result: Result, plan: Plan, found: Iterable[Stage]) -> None:
    """Add stages to the result as they are measured."""
    for stage in found:
        result.stages.append(stage.as_json())
        plan.say(f"{stage.stage:20} {stage.events_per_second:9,.0f} events/s")


def all_levers(result: Result, plan: Plan) -> None:
    """Measure the levers, one changed setting at a time."""
    for lever in levers.all_levers(plan.lever_seconds, plan.events // 10):
        result.levers.append(lever.as_json())
        plan.say(f"{lever.group:12} {lever.lever:34} {lever.load:6} {lever.per_second:9,.0f}/s")


def grown(result: Result, plan: Plan) -> None:
    """Measure growing numbers of items per order, orders and products."""
    add_points(result, plan, growth.items_per_order())
    add_points(result, plan, tables.curves(shares(plan, growth.ORDER_SHARES), shares(plan, growth.PRODUCT_SHARES)))


def backlogged(result: Result, plan: Plan) -> None:
    """Measure growing backlogs."""
    add_points(result, plan, growth.backlog(shares(plan, growth.BACKLOG_SHARES)))


def held(result: Result, plan: Plan) -> None:
    """Drain the outbox repeatedly while another session holds an old snapshot."""
    events = round(plan.events * growth.SNAPSHOT_SHARE)
    add_points(result, plan, growth.old_snapshot(events, plan.snapshot_seconds))


def add_points(result: Result, plan: Plan, points: Iterable[growth.Point]) -> None:
    """Add points of curves to the result as they are measured."""
    for point in points:
        result.growth.append(point.as_json())
        plan.say(f"{point.curve:52} {point.size:10,} {point.per_second:9,.0f}/s")


def shares(plan: Plan, of: Sequence[float]) -> list[int]:
    """Return shares of the number of events."""
    return [round(plan.events * share) for share in of]


def scaled(result: Result, plan: Plan) -> None:
    """Measure growing numbers of replicas, each with the same share of a core."""
    with problems_recorded(result, "scale"):
        for found in scale.curves(plan.scale_seconds):
            result.scale.append(found.as_json())
            plan.say(
                f"{found.what:12} {found.replicas:3} {found.per_second:9,.0f}/s, others {found.cores_elsewhere:.2f}"
            )


def at_rest(result: Result, plan: Plan) -> None:
    """Measure the idle platform."""
    result.resources = resources.idle()
    plan.say(str(result.resources))


@contextlib.contextmanager
def problems_recorded(result: Result, name: str) -> Iterator[None]:
    """Record a failure of the body as a problem in the result instead of raising it."""
    try:
        yield
    except FAILURES as error:
        result.problems.append(f"{name}: {error}")


SUITES: Mapping[str, Suite] = {
    "resources": at_rest,
    "peaks": peaks,
    "security": priced,
    "tracing": traced,
    "steady": steady,
    "long": long,
    "stages": alone,
    "peers": peers,
    "ladder": ladder,
    "overload": overloaded,
    "levers": all_levers,
    "growth": grown,
    "backlog": backlogged,
    "snapshot": held,
    "scale": scaled,
}
