"""Runs scenarios: load, fault, repair, verdict of the oracle and of Reconcile; a row for each."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from faults.injection.clock import LibraryMissing
from faults.injection.disk import NotPossible
from faults.load import timeline
from faults.load.journal import BYSTANDER, Call, kinds
from faults.oracle import evidence, verdict
from faults.oracle.violation import Violation
from faults.platform import platform
from faults.scenario import Scenario
from faults.world import World
from loadgen.transports.answers import Outcome
from stack.errors import StackError

WARM_UP_SECONDS = 1.0
BASELINE_SECONDS = 4.0
# After a repair: until the throughput is back, and then some more.
RECOVERY_SECONDS = 60.0
AFTERWARDS_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
# What the table of faults asks for.
GOAL_SECONDS = 10.0
# Logs of platforms on which something was violated.
KEPT = Path("build/faults")
HELD, SLOW, VIOLATED, NOT_RUN = "held", "held, slow", "violated", "not run"


@dataclass
class Row:
    """The result of one scenario; its fields are those of the result file."""

    scenario: str
    what: str
    brokers: int
    # Whether long faults were shortened.
    brief: bool = False
    verdict: str = NOT_RUN
    violations: list[str] = field(default_factory=list)
    reconcile: str = ""
    # Whether Reconcile says what the oracle says, where both can tell.
    verdicts_agree: bool = True
    # The longest time without an accepted order of the bystander.
    others_served_seconds: float | None = None
    # From the repair to 95 % of the baseline.
    recovered_seconds: float | None = None
    backlog_orders: int = 0
    bystander_worst_ms: float | None = None
    fault_seconds: float = 0.0
    orders: int = 0
    orders_per_second: float = 0.0
    refused: int = 0
    unknown: int = 0
    not_sent: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    took_seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was violated and the scenario ran."""
        return self.verdict in (HELD, SLOW)


class BacklogSampler:
    """Samples the orders that are stored and not counted, in a thread until `finish`."""

    def __init__(self, world: World) -> None:
        self.most = 0
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> int:
        """Stop and return the largest backlog."""
        self._stop.set()
        self._thread.join()
        return self.most

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            try:
                self.most = max(self.most, self._world.backlog())
            except Exception:  # a database that is down has no figures
                continue


def run_all(scenarios: Sequence[Scenario], brokers: int, *, brief: bool) -> Iterator[Row]:
    """Yield a row for each scenario; those with the same needs share a platform until one is violated."""
    for needs, group in groupby(sorted(scenarios, key=lambda one: str(one.needs)), key=lambda one: one.needs):
        left = list(group)
        while left:
            try:
                with platform(needs, brokers, brief=brief) as world:
                    while left:
                        row = run_one(world, left.pop(0), brokers)
                        if not row.good:
                            row.notes["logs"] = keep_logs(world, row.scenario)
                        yield row
                        if needs.alone or not row.good:
                            break
            except (NotPossible, LibraryMissing, StackError) as error:
                yield from (Row(one.name, one.what, brokers, notes={"not run": str(error)}) for one in left)
                left = []


def keep_logs(world: World, name: str) -> str:
    """Copy the logs of a platform, and return where they are."""
    kept = KEPT / f"{name}-{time.time():.0f}"
    shutil.copytree(world.stack.stack.state.logs, kept)
    return str(kept)


def run_one(world: World, scenario: Scenario, brokers: int) -> Row:
    """Load a platform, inject the fault, repair it, and judge."""
    row = Row(scenario.name, scenario.what, brokers, world.brief)
    began = time.monotonic()
    world.notes, world.problems = {}, []
    world.injected_at = world.repaired_at = 0.0
    skipped = world.journal.not_sent
    world.customers.start()
    sampler = BacklogSampler(world)
    try:
        time.sleep(WARM_UP_SECONDS + BASELINE_SECONDS)
        inject(world, scenario)
        baseline = await_recovery(world, row, began)
        time.sleep(AFTERWARDS_SECONDS)
    finally:
        # The bystander sends no more while the customers' last calls end.
        ended = time.monotonic()
        world.customers.stop()
        quiet = world.await_quiet()
        row.backlog_orders = sampler.finish()
    if not quiet:
        world.problems.append("events were still in flight when the patience ended")
    measure(row, world, baseline, world.journal.since(began), ended)
    row.not_sent = world.journal.not_sent - skipped
    conclude(row, world)
    row.took_seconds = round(time.monotonic() - began, 1)
    return row


def inject(world: World, scenario: Scenario) -> None:
    """Run the scenario; what it raises is a problem of the platform."""
    try:
        scenario.run(world)
    except Exception as error:  # reported with the row
        world.problems.append(f"{type(error).__name__}: {error}")
    world.injected_at = world.injected_at or time.monotonic()
    world.repaired_at = world.repaired_at or time.monotonic()


def await_recovery(world: World, row: Row, began: float) -> float:
    """Wait until the throughput is back, and every component ready; return the baseline."""
    first = began + WARM_UP_SECONDS
    baseline = timeline.rate(timeline.accepted_times(world.journal.since(began)), first, first + BASELINE_SECONDS)
    limit = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < limit:
        times = timeline.accepted_times(world.journal.since(began))
        row.recovered_seconds = timeline.recovered_seconds(times, baseline, world.repaired_at, time.monotonic())
        if row.recovered_seconds is not None and world.ready():
            return baseline
        time.sleep(SAMPLE_SECONDS)
    if not world.ready():
        world.problems.append("not every component is ready a minute after the repair")
    return baseline


def measure(row: Row, world: World, baseline: float, calls: Sequence[Call], ended: float) -> None:
    """Fill in the figures."""
    during = [call for call in calls if call.ended_at >= world.injected_at]
    row.orders = len(timeline.accepted_times(calls))
    row.orders_per_second = round(baseline, 1)
    row.fault_seconds = round(world.repaired_at - world.injected_at, 1)
    row.others_served_seconds = timeline.served_seconds(calls, world.injected_at, ended)
    row.bystander_worst_ms = timeline.worst_ms(during)
    row.refused = sum(call.outcome is Outcome.REFUSED for call in during)
    row.unknown = sum(call.outcome is Outcome.UNKNOWN for call in during)
    row.kinds = dict(kinds(call for call in during if call.by == BYSTANDER).most_common(6))
    row.notes = world.notes


def conclude(row: Row, world: World) -> None:
    """Judge by the oracle, ask Reconcile, and compare the two."""
    violations = judged(world)
    row.reconcile = world.reconcile()
    row.verdicts_agree = verdict.same_verdict(violations, row.reconcile)
    row.violations = [*map(str, violations), *world.problems]
    if not row.verdicts_agree:
        row.violations.append(f"Reconcile says {row.reconcile}, the oracle finds {len(violations)} violations")
    slow = row.recovered_seconds is None or row.recovered_seconds > GOAL_SECONDS
    row.verdict = VIOLATED if row.violations else SLOW if slow else HELD


def judged(world: World) -> list[Violation]:
    """Return what the oracle finds."""
    world.log.read()
    known = evidence.gather(world.dsn("orders"), world.dsn("analytics"), world.log.records)
    return verdict.judge(world.journal, known, world.expected)
