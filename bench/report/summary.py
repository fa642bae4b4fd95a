"""The summary of a result as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.goals import judge
from bench.report.result import Result, verdict_of

STAGES = ("orders", "envoy", "postgres", "publisher", "kafka", "workers", "gateway", "analytics", "generator")
GOAL_HEAD = ("figure", "goal", "measured", "reached")
PEAK_HEAD = ("subject", "load", "orders/s", "CPU µs/order", *STAGES, "WAL bytes/order", "others, cores")
TRACING, TRACING_OFF = "tracing ", "tracing off"
TRACED_STAGES = ("orders", "envoy", "publisher", "workers")
TRACING_HEAD = ("subject", "load", "runs", "CPU µs/order", "of off", "quartiles", *TRACED_STAGES)
OPEN_HEAD = (
    "orders/s",
    "accepted",
    "reconciliation",
    "answer p50 / p99 / p99.9 ms",
    "to Kafka p50 / p99 ms",
    "to analytics p50 / p99 ms",
    "cores",
    "others, cores",
)
OVERLOAD_HEAD = (
    "cores of the front",
    "offered/s",
    "peak/s",
    "accepted/s",
    "refused",
    "accepted p50 / p99 ms",
    "refused p50 / p99 ms",
    "cheapest refusal, CPU µs",
    "reconciliation",
)
STAGE_HEAD = (
    "stage",
    "events",
    "events/s",
    "rate of the product, ratio",
    "CPU µs/event",
    "CPU of the product, ratio",
    "CPU µs/event by group",
)
LEVER_HEAD = ("group", "lever", "load", "per second", "of its base", "CPU µs", "of its base")
SCALE_HEAD = (
    "replicas of",
    "number",
    "per second",
    "of as many times one",
    "CPU µs each",
    "CPU µs each by group",
    "others, cores",
)
GROWTH_HEAD = ("curve", "size", "per second", "CPU µs")
MARKS = {True: "yes", False: "no", None: "–"}


def markdown(result: Result) -> str:
    """Return the summary of a result."""
    return "\n".join(lines(result)) + "\n"


def lines(result: Result) -> Iterator[str]:
    """Yield the lines of the summary."""
    machine = result.machine
    yield f"# {result.started_at[:10]}: {result.name}"
    yield ""
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, Linux"
        f" {machine['kernel']}; commit {result.commit}; client and servers share the cores; fsync and"
        " synchronous_commit are on."
    )
    yield from section("Goals", GOAL_HEAD, goal_rows(result))
    yield from section("End to end", PEAK_HEAD, peak_rows(result))
    yield from section("Tracing: medians", TRACING_HEAD, tracing_rows(result))
    yield from section("At a fixed rate, over REST", OPEN_HEAD, open_rows(result))
    yield from section("Three times the peak, over REST", OVERLOAD_HEAD, overload_rows(result))
    yield from section("Single stages", STAGE_HEAD, stage_rows(result))
    yield from section("Levers", LEVER_HEAD, lever_rows(result))
    yield from section("Growing work", GROWTH_HEAD, growth_rows(result))
    yield from section("Growing numbers of replicas", SCALE_HEAD, scale_rows(result))
    if result.problems:
        yield from ("", "## Not measured", "", *(f"- {problem}" for problem in result.problems))


def section(title: str, head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Yield a table with a title; nothing without rows."""
    found = list(rows)
    if found:
        yield from ("", f"## {title}", "", row(head), row(["---"] * len(head)), *map(row, found))


def row(cells: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def goal_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the goals."""
    for verdict in judge(result):
        yield verdict.figure, verdict.goal, verdict.measured, MARKS[verdict.reached]


def peak_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the peaks."""
    for run in result.peaks:
        costs = [f"{run['cpu_us_per_order'].get(stage, 0):.0f}" for stage in STAGES]
        rate = f"{run['orders_per_second']:,.0f}" + ("" if run["reconciled"] else " (not reconciled)")
        total, wal = f"{run['cpu_us_per_order_total']:.0f}", f"{run['wal_bytes_per_order']:,.0f}"
        yield run["subject"], run["load"], rate, total, *costs, wal, f"{run.get('cores_elsewhere', 0):.2f}"


def tracing_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each share of sampled traces, with the costs of the client left out.

    The ratio is the median of those to the run without tracing of the same turn.
    """
    runs: dict[tuple[str, str], list[dict[str, float]]] = {}
    for run in result.peaks:
        if run["subject"].startswith(TRACING):
            runs.setdefault((run["load"], run["subject"]), []).append(run["cpu_us_per_order"])
    for (load, subject), costs in sorted(runs.items()):
        totals = [platform_cost(each) for each in costs]
        offs = runs.get((load, TRACING_OFF), ())
        ratios = [ours / platform_cost(off) for ours, off in zip(totals, offs, strict=False)]
        stages = [f"{statistics.median(each.get(stage, 0) for each in costs):.1f}" for stage in TRACED_STAGES]
        yield subject, load, str(len(costs)), f"{statistics.median(totals):.1f}", *quartiles(ratios), *stages


def quartiles(ratios: Sequence[float]) -> tuple[str, str]:
    """Format the median of ratios, and their quartiles; of fewer than two there are none."""
    if len(ratios) < 2:
        return "–", "–"
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f}", f"{low:.3f} to {high:.3f}"


def platform_cost(cpu_us: dict[str, float]) -> float:
    """Return the cost of an order in all processes of the platform."""
    return sum(used for name, used in cpu_us.items() if name != "generator")


def open_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the fixed-rate runs."""
    for run in result.open_runs:
        generator = run["generator"]
        accepted, orders = generator["latency_ms"]["accepted"], generator["orders"]
        invalid = "".join(f" ({why})" for why in generator["outcome"]["void_because"])
        yield (
            run["rate"],
            f"{orders['accepted']:,} of {orders['offered']:,}",
            verdict_of(generator["reconciliation"]) + invalid,
            shares(accepted, "p50", "p99", "p99_9"),
            shares(run["publish_ms"], "p50", "p99"),
            shares(run["count_ms"], "p50", "p99"),
            f"{run['cores_used']:.2f}",
            f"{run['cores_elsewhere']:.2f}",
        )


def overload_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the overload run, if any: of the open model and of the closed one, on each placement."""
    for found in result.overload:
        cost = f"{sum(found['refusal_cpu_us'].values()):.0f}"
        where = "apart" if found["front_apart"] else "shared"
        for offered, model in (
            (f"{found['offered_per_second']:,.0f}/s", found["open_model"]),
            ("3 times the clients", found["closed_model"]),
        ):
            yield overload_row((where, offered), found["peak_per_second"], model, cost)


def overload_row(load: Sequence[str], peak: float, found: dict[str, Any], cost: str) -> Sequence[str]:
    """Return the row of one model."""
    return (
        *load,
        f"{peak:,.0f}",
        f"{found['accepted_per_second']:,.0f}",
        f"{found['refused']:,} of {found['refused'] + found['accepted']:,}",
        shares(found["accepted_ms"], "p50", "p99"),
        shares(found["refused_ms"], "p50", "p99"),
        cost,
        "reconciled" if found["reconciled"] else "NOT RECONCILED",
    )


def shares(percentiles: dict[str, float], *names: str) -> str:
    """Format percentiles."""
    return " / ".join(f"{percentiles[name]:.1f}" if name in percentiles else "–" for name in names)


def stage_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of single stages, each compared with the same stage of the product, if measured."""
    for stage in result.stages:
        ours = result.stage(stage.get("beside", ""))
        rate, cost = stage["events_per_second"], stage_cost(stage)
        yield (
            stage["stage"],
            f"{stage['events']:,}",
            f"{rate:,.0f}",
            quotient(ours["events_per_second"], rate) if ours else "–",
            f"{cost:.1f}",
            quotient(stage_cost(ours), cost) if ours else "–",
            ", ".join(f"{name} {us:.1f}" for name, us in stage["cpu_us_per_event"].items() if us),
        )


def quotient(ours: float, theirs: float) -> str:
    """Format a ratio; the divisor can be 0 in a run shorter than a clock tick."""
    return f"{ours / theirs:.3g}" if theirs else "–"


def stage_cost(stage: dict[str, Any]) -> float:
    """Return the cost of an event in all groups."""
    return float(sum(stage["cpu_us_per_event"].values()))


def lever_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the levers, each with the ratio to its base."""
    bases = {(one["group"], one["lever"], one["load"]): one for one in reversed(result.levers)}
    for one in result.levers:
        base = bases.get((one["group"], one["base"], one["load"]), one)
        cost, of = sum(one["cpu_us"].values()), sum(base["cpu_us"].values())
        rate = one["per_second"]
        yield (
            one["group"],
            one["lever"],
            one["load"],
            f"{rate:,.0f}",
            f"{rate / base['per_second']:.2f}",
            f"{cost:.1f}",
            f"{cost / of:.2f}",
        )


def growth_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of the curves."""
    for point in result.growth:
        yield (
            point["curve"],
            f"{point['size']:,}",
            f"{point['per_second']:,.0f}",
            f"{sum(point['cpu_us'].values()):.2f}",
        )


def scale_rows(result: Result) -> Iterator[Sequence[str]]:
    """Yield the rows of growing numbers of replicas."""
    alone = {found["what"]: found for found in reversed(result.scale)}
    for found in result.scale:
        costs = found["cpu_us"]
        yield (
            f"{found['what']}, {found['share']:g} of a core each",
            str(found["replicas"]),
            f"{found['per_second']:,.0f}",
            f"{found['per_second'] / found['replicas'] / alone[found['what']]['per_second']:.2f}",
            f"{sum(costs.values()):.1f}",
            ", ".join(f"{name} {us:.1f}" for name, us in costs.items() if us),
            f"{found['cores_elsewhere']:.2f}",
        )
