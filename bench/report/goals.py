"""The goals, and whether a result reaches them, relative to the bare pipeline of the same run where possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.report.result import Result, verdict_of
from bench.subjects.accounting import QUIET_CORES

MIB = 1024 * 1024


@dataclass(frozen=True)
class Verdict:
    """A goal, the measured value, and whether the goal is reached; None when it was not measured."""

    figure: str
    goal: str
    measured: str
    reached: bool | None


def judge(result: Result) -> list[Verdict]:
    """Return a verdict for every goal."""
    return [
        *against_bare(result),
        *batches(result),
        *against_lane_off(result),
        *against_peer(result),
        *at_fixed_rate(result),
        *under_overload(result),
        *stages_alone(result),
        *resources(result),
    ]


def ratio(result: Result, ours: str, theirs: str, load: str) -> tuple[float, float, float] | None:
    """Return two throughputs and their ratio; None when one was not measured."""
    one, other = result.peak(ours, load), result.peak(theirs, load)
    if one is None or other is None:
        return None
    mine, its = one["orders_per_second"], other["orders_per_second"]
    return mine, its, mine / its


def compared(result: Result, figure: str, pair: tuple[str, str], load: str, at_least: float, goal: str) -> Verdict:
    """Return the verdict on a ratio of throughputs."""
    found = ratio(result, *pair, load)
    if found is None:
        return Verdict(figure, goal, "not measured", None)
    mine, its, quotient = found
    measured = f"{mine:,.0f} against {its:,.0f} = {quotient:.2f}"
    disturbed = any(was_disturbed(result.peak(subject, load)) for subject in pair)
    return undecided(figure, goal, measured) if disturbed else Verdict(figure, goal, measured, quotient >= at_least)


def was_disturbed(run: dict[str, Any] | None) -> bool:
    """Return whether other processes used the machine during a run; an unknown value counts as such."""
    return run is not None and run.get("cores_elsewhere", 1.0) >= QUIET_CORES


def undecided(figure: str, goal: str, measured: str) -> Verdict:
    """Return the verdict on a disturbed run: neither reached nor missed."""
    return Verdict(figure, goal, f"{measured} (disturbed by others)", None)


def against_bare(result: Result) -> Iterator[Verdict]:
    """Compare the product, with and without the fast lane, with the bare pipeline on the same engine."""
    for load in ("rest", "grpc"):
        pair = ("product", "bare-native")
        yield compared(result, f"{load} end to end", pair, load, 0.75, "at least 0.75 of the bare pipeline")
    for load in ("rest", "grpc"):
        pair = ("product-grpcio", "bare-grpcio")
        goal = "at least 0.85 of the bare grpcio pipeline"
        yield compared(result, f"{load}, lane off", pair, load, 0.85, goal)


def batches(result: Result) -> Iterator[Verdict]:
    """Return the verdicts on BatchCreateOrders."""
    run = result.peak("product", "batch")
    if run is None:
        yield Verdict("batch end to end", "at least 25,000 orders/s, at most 75 µs", "not measured", None)
        return
    rate, cost = run["orders_per_second"], run["cpu_us_per_order_total"]
    measured = f"{rate:,.0f} orders/s, {cost:.0f} µs"
    if was_disturbed(run):
        yield undecided("batch end to end", "at least 25,000 orders/s, at most 75 µs", measured)
        return
    yield Verdict("batch end to end", "at least 25,000 orders/s", measured, rate >= 25_000)
    yield Verdict("batch cost", "at most 75 CPU µs/order", measured, cost <= 75)


def against_lane_off(result: Result) -> Iterator[Verdict]:
    """Compare the product with and without the fast lane."""
    for load, at_least in (("grpc", 3.5), ("rest", 2.5)):
        pair = ("product", "product-grpcio")
        yield compared(result, f"{load}, lane on against off", pair, load, at_least, f"at least {at_least} times")


def against_peer(result: Result) -> Iterator[Verdict]:
    """Compare the product with FastAPI."""
    yield compared(result, "rest against FastAPI", ("product", "fastapi"), "rest", 8, "at least 8 times")
    ours, its = result.peak("product", "rest"), result.peak("fastapi", "rest")
    if ours and its:
        costs = ours["cpu_us_per_order_total"], its["cpu_us_per_order_total"]
        measured = f"{costs[0]:,.0f} µs against {costs[1]:,.0f} µs"
        yield Verdict("cost against FastAPI", "less CPU per order", measured, costs[0] < costs[1])


def at_fixed_rate(result: Result) -> Iterator[Verdict]:
    """Return the verdicts on the longest run at 1,000 orders/s."""
    steady = [run for run in result.open_runs if run["rate"] == "1000"]
    if not steady:
        yield Verdict("1,000 orders/s", "all reconciled", "not measured", None)
        return
    run = max(steady, key=lambda one: one["generator"]["orders"]["offered"])
    orders, found = run["generator"]["orders"], run["generator"]["reconciliation"]
    counted = found["after"]["orders"] - found["before"]["orders"] if found and found["after"] else 0
    invalid = "".join(f" (not valid: {why})" for why in run["generator"]["outcome"]["void_because"])
    measured = f"{counted:,} of {orders['offered']:,}, {verdict_of(found)}{invalid}"
    yield Verdict("1,000 orders/s", "every order reconciled", measured, counted == orders["offered"] and not invalid)
    accepted = run["generator"]["latency_ms"]["accepted"]
    yield bound("answer", accepted, "p99", 25)
    yield bound("answer", accepted, "p99_9", 100)
    yield bound("order to analytics", run["count_ms"], "p99", 300)
    yield bound("commit to Kafka's acknowledgement", run["publish_ms"], "p50", 8)
    yield bound("commit to Kafka's acknowledgement", run["publish_ms"], "p99", 40)
    used = run["cores_used"]
    yield Verdict("CPU at 1,000 orders/s", "at most 1 of 2 cores", f"{used:.2f} cores", used <= 1)
    wal = run["wal_bytes_per_order"]
    yield Verdict("WAL at 1,000 orders/s", "at most 2,048 bytes per order", f"{wal:,.0f} bytes", wal <= 2048)
    loaded = sum(run["memory_bytes"].values()) / MIB
    yield Verdict("memory, loaded", "at most 1,200 MiB", f"{loaded:,.0f} MiB", loaded <= 1200)


def bound(figure: str, percentiles: dict[str, float], share: str, at_most_ms: float) -> Verdict:
    """Return the verdict on a percentile."""
    goal, found = f"{share.replace('_', '.')} at most {at_most_ms} ms", percentiles.get(share)
    if found is None:
        return Verdict(figure, goal, "not measured", None)
    return Verdict(figure, goal, f"{found:.1f} ms", found <= at_most_ms)


def under_overload(result: Result) -> Iterator[Verdict]:
    """Return the verdicts on the overload run."""
    if not result.overload:
        yield Verdict("overload at 3 times", "at least 0.9 of the peak", "not measured", None)
    for found in result.overload:
        where = "front apart" if found["front_apart"] else "shared cores"
        models = {"3 times the rate": found["open_model"], "3 times the clients": found["closed_model"]}
        for name, model in models.items():
            yield from beyond_the_peak(f"overload, {where}, {name}", found["peak_per_second"], model)


def beyond_the_peak(figure: str, peak: float, found: dict[str, Any]) -> Iterator[Verdict]:
    """Return the verdicts on what was answered in one model."""
    share = found["accepted_per_second"] / peak
    measured = f"{found['accepted_per_second']:,.0f} of {peak:,.0f} = {share:.2f}"
    if found.get("cores_elsewhere", 0.0) >= QUIET_CORES:
        yield undecided(figure, "at least 0.9 of the peak", measured)
        return
    yield Verdict(figure, "at least 0.9 of the peak", measured, share >= 0.9 and found["reconciled"])
    yield bound(f"{figure}: refusals", found["refused_ms"], "p99", 50)
    yield bound(f"{figure}: accepted", found["accepted_ms"], "p99", 200)


def stages_alone(result: Result) -> Iterator[Verdict]:
    """Return the verdicts on the publisher and the worker as single stages."""
    for stage, at_least in (("publisher", 35_000), ("worker", 60_000)):
        found = result.stage(stage)
        goal = f"at least {at_least:,} events/s"
        if found is None:
            yield Verdict(f"{stage} alone", goal, "not measured", None)
            continue
        measured = f"{found['events_per_second']:,.0f} events/s over {found['events']:,}"
        if was_disturbed(found):
            yield undecided(f"{stage} alone", goal, measured)
            continue
        yield Verdict(f"{stage} alone", goal, measured, found["events_per_second"] >= at_least)
    held = [one for one in result.growth if one["curve"].startswith("held snapshot")]
    if held:
        share = held[-1]["per_second"] / held[0]["per_second"]
        yield Verdict("publisher under a held snapshot", "at least 0.95 of its rate", f"{share:.2f}", share >= 0.95)


def resources(result: Result) -> Iterator[Verdict]:
    """Return the verdicts on idle memory and start time."""
    if not result.resources:
        return
    idle = result.resources["idle_memory_bytes_total"] / MIB
    yield Verdict("memory, idle", "at most 700 MiB", f"{idle:,.0f} MiB", idle <= 700)
    seconds = result.resources["seconds_to_first_order"]
    yield Verdict("up to the first order", "at most 8 s", f"{seconds:.1f} s", seconds <= 8)
