"""Draws the charts of a result, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.result import Result
from bench.report.summary import STAGES

mpl.use("Agg")
INK, FAINT, PAPER = "#22313f", "#d5dbe1", "#ffffff"
COLOURS = {
    "orders": "#1b6ca8",
    "envoy": "#7b5ea7",
    "postgres": "#2a9d8f",
    "publisher": "#e9a23b",
    "kafka": "#d1495b",
    "workers": "#8ab17d",
    "gateway": "#a0a7ae",
    "analytics": "#c3c8cd",
    "generator": "#e4e7ea",
}
OURS, THEIRS = "#1b6ca8", "#b9c2ca"
NAMES = {
    "product": "ordermesh, fast lane on",
    "bare-native": "bare pipeline",
    "product-grpcio": "ordermesh",
    "bare-grpcio": "bare pipeline on grpcio",
    "fastapi": "FastAPI + SQLAlchemy",
    "fastapi-queue": "FastAPI, procrastinate, FastStream",
    "grpcio-plain": "grpcio, a transaction per order",
}
PEERS = ("fastapi", "fastapi-queue", "grpcio-plain")
LOADS = {"rest": "REST", "grpc": "gRPC", "batch": "batches of 100"}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "figure.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "ordermesh",
}
Run = dict[str, Any]


def draw(result: Result, folder: Path) -> Iterator[Path]:
    """Draw the charts of a result into a folder; yield the files."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, chart in CHARTS.items():
            figure = chart(result)
            if figure is None:
                continue
            for suffix in ("svg", "png"):
                path = folder / f"{name}.{suffix}"
                figure.savefig(path, dpi=130, bbox_inches="tight", metadata={"Date": None} if suffix == "svg" else None)
                yield path
            pyplot.close(figure)


def panels(count: int, width: float, height: float, title: str, note: str) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with panels side by side, a title and a note on how to read it."""
    figure, axes = pyplot.subplots(1, count, figsize=(width, height), squeeze=False, layout="constrained")
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=14, fontweight="bold")
    figure.text(0.01, 0.985, f"\n\n{note}", ha="left", va="top", fontsize=9, color="#5d6b78", linespacing=1.1)
    return figure, axes[0]


def last_runs(result: Result, load: str) -> list[Run]:
    """Return the peak of each subject under a load, in the order of NAMES."""
    return [run for name in NAMES if (run := result.peak(name, load)) is not None]


def cost_by_stage(result: Result) -> Figure | None:
    """Draw the cost of an order by stage, compared with the bare pipeline."""
    return costs(result, "Cost of an order", [name for name in NAMES if name not in PEERS])


def cost_of_peers(result: Result) -> Figure | None:
    """Draw the cost of an order, compared with the peers."""
    names = ["product", "product-grpcio", *PEERS]
    return costs(result, "Cost of an order in peers", names) if result.peak("fastapi", "rest") else None


def costs(result: Result, title: str, names: Sequence[str]) -> Figure | None:
    """Draw the costs of subjects under the loads that most of them support."""
    loads = [load for load in LOADS if sum(run["subject"] in names for run in last_runs(result, load)) > 2]
    if not loads:
        return None
    note = "CPU µs per order by process group, the client included; shorter is better"
    figure, axes = panels(len(loads), 4 + 3.4 * len(loads), 3.4, title, note)
    for axis, load in zip(axes, loads, strict=True):
        stacked(axis, [run for run in last_runs(result, load) if run["subject"] in names])
        axis.set_title(LOADS[load])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(STAGES), frameon=False, fontsize=9)
    return figure


def stacked(axis: Axes, runs: Sequence[Run]) -> None:
    """Draw a stacked bar of stages for each run."""
    names = [NAMES[run["subject"]] for run in runs]
    left = [0.0] * len(runs)
    for stage in STAGES:
        widths = [run["cpu_us_per_order"].get(stage, 0.0) for run in runs]
        axis.barh(names, widths, left=left, color=COLOURS[stage], label=stage, height=0.62)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, total in enumerate(left):
        axis.text(total, row, f"  {total:,.0f}", va="center", fontweight="bold", fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, max(left) * 1.16)
    axis.grid(axis="x", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)


def throughput(result: Result) -> Figure | None:
    """Draw end-to-end orders per second."""
    loads = [load for load in LOADS if last_runs(result, load)]
    if not loads:
        return None
    title, note = "End-to-end orders per second", "Until the last order is counted; longer is better"
    figure, axes = panels(len(loads), 5.2 * len(loads), 3.6, title, note)
    for axis, load in zip(axes, loads, strict=True):
        runs = last_runs(result, load)
        values = [run["orders_per_second"] for run in runs]
        colours = [OURS if run["subject"].startswith("product") else THEIRS for run in runs]
        axis.barh([NAMES[run["subject"]] for run in runs], values, color=colours, height=0.62)
        for row, value in enumerate(values):
            axis.text(value, row, f"  {value:,.0f}", va="center", fontweight="bold", fontsize=9)
        axis.invert_yaxis()
        axis.set_xlim(0, max(values) * 1.2)
        axis.set_title(LOADS[load])
        axis.grid(axis="x", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(length=0)
    return figure


def backlog(result: Result) -> Figure | None:
    """Draw the number of orders stored and not yet counted, over time."""
    peaks = [run for run in result.peaks if run["subject"] == "product" and run["backlog"]]
    if not peaks:
        return None
    title, note = "Backlog at full load", "Orders stored and not yet counted; the curve ends when all are"
    figure, (axis,) = panels(1, 8.5, 3.6, title, note)
    for run, colour in zip(peaks, (OURS, "#d1495b", "#2a9d8f"), strict=False):
        times = [point[0] for point in run["backlog"]]
        waiting = [max(0, point[1] - point[2]) for point in run["backlog"]]
        axis.plot(times, waiting, color=colour, linewidth=1.8, label=LOADS[run["load"]])
        axis.fill_between(times, waiting, color=colour, alpha=0.10)
    axis.set_xlabel("seconds")
    axis.set_ylabel("orders")
    axis.set_ylim(bottom=0)
    axis.grid(axis="y", linewidth=0.6)
    axis.legend(frameon=False)
    return figure


def latency(result: Result) -> Figure | None:
    """Draw the latencies of the longest run at 1,000 orders/s."""
    steady = [run for run in result.open_runs if run["rate"] == "1000"]
    if not steady:
        return None
    run = max(steady, key=lambda one: one["generator"]["orders"]["offered"])
    curves = {
        "answered": (run["generator"]["latency_ms"]["accepted"], OURS),
        "acknowledged by Kafka": (run["publish_ms"], "#e9a23b"),
        "counted in the analytics": (run["count_ms"], "#2a9d8f"),
    }
    seconds = run["generator"]["options"]["duration_seconds"]
    note = f"Over REST for {seconds:g} s, from the due time of each order (open model)"
    figure, (axis,) = panels(1, 8.5, 3.8, "Latency at 1,000 orders per second", note)
    shares = ("p50", "p90", "p99", "p99_9")
    for name, (percentiles, colour) in curves.items():
        values = [percentiles[share] for share in shares if share in percentiles]
        axis.plot(shares[: len(values)], values, marker="o", color=colour, linewidth=2, label=name)
        for place, value in enumerate(values):
            label = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
            axis.annotate(label, (place, value), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    axis.set_yscale("log")
    axis.set_ylabel("milliseconds")
    axis.set_xticks(range(len(shares)), ["50 %", "90 %", "99 %", "99.9 %"])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.grid(axis="y", linewidth=0.6)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    axis.margins(x=0.06, y=0.18)
    return figure


def offered(result: Result) -> Figure | None:
    """Draw throughput against offered load."""
    ladders = [run for run in result.open_runs if "," in run["rate"]]
    if not ladders:
        return None
    run = ladders[-1]
    series = run["generator"]["per_second"]
    note = "Over REST; the load generator uses the same cores; rates increase in steps"
    figure, (axis,) = panels(1, 8.5, 3.8, "Accepted and offered load", note)
    seconds = range(len(series["offered"]))
    axis.step(seconds, series["offered"], where="mid", color="#98a2ac", linewidth=1.5, label="offered")
    axis.plot(seconds, series["accepted"], color=OURS, linewidth=2, label="accepted")
    counted = [(point[0], point[2]) for point in run["backlog"]]
    rates = [(b[0], (b[1] - a[1]) / (b[0] - a[0])) for a, b in pairwise(counted)]
    axis.plot(*zip(*rates, strict=True), color="#2a9d8f", linewidth=1.4, label="counted")
    if any(series["failed"]):
        axis.plot(seconds, series["failed"], color="#d1495b", linewidth=1.6, label="refused or failed")
    axis.set_xlim(0, len(series["offered"]))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("seconds")
    axis.set_ylabel("orders per second")
    axis.grid(axis="y", linewidth=0.6)
    axis.legend(frameon=False, loc="upper left")
    return figure


def levers(result: Result) -> Figure | None:
    """Draw the effect of each lever on the cost of an order or event."""
    bases = {(one["group"], one["lever"], one["load"]): one for one in result.levers}
    moved = [one for one in result.levers if one["lever"] != one["base"]]
    if not moved:
        return None
    note = "CPU per order or event relative to the base of the lever: left of 1 is cheaper"
    figure, (axis,) = panels(1, 9, 0.8 + 0.27 * len(moved), "Effect of levers", note)
    names, values = [], []
    for one in moved:
        base = bases[one["group"], one["base"], one["load"]]
        names.append(f"{one['group']}: {one['lever']} ({one['load']})")
        values.append(sum(one["cpu_us"].values()) / sum(base["cpu_us"].values()))
    colours = [OURS if value < 1 else "#d1495b" for value in values]
    axis.barh(names, [value - 1 for value in values], left=1, height=0.6, color=colours)
    for row, value in enumerate(values):
        axis.text(value, row, f" {value:.2f} ", va="center", ha="left" if value >= 1 else "right", fontsize=8)
    axis.axvline(1, color=INK, linewidth=1)
    axis.invert_yaxis()
    axis.set_xlim(min(*values, 0.8) - 0.12, max(*values, 1.2) * 1.08)
    axis.grid(axis="x", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0, labelsize=8)
    return figure


def growth(result: Result) -> Figure | None:
    """Draw the cost of a unit of work by the amount of work."""
    curves = list(dict.fromkeys(point["curve"] for point in result.growth))
    if not curves:
        return None
    note = "CPU µs per item or event, by size; constant is best"
    figure, axes = panels(len(curves), 3.4 * len(curves), 3.6, "Cost as work grows", note)
    for axis, curve in zip(axes, curves, strict=True):
        points = [point for point in result.growth if point["curve"] == curve]
        costs = [sum(point["cpu_us"].values()) for point in points]
        axis.plot([point["size"] for point in points], costs, marker="o", color=OURS, linewidth=2)
        axis.set_xscale("log")
        axis.set_ylim(0, max(costs) * 1.25)
        axis.set_title(curve.replace(": ", "\n"), fontsize=9)
        axis.grid(axis="y", linewidth=0.6)
    return figure


def scale(result: Result) -> Figure | None:
    """Draw the throughput by the number of replicas, beside a line in proportion."""
    kinds = list(dict.fromkeys(found["what"] for found in result.scale))
    if not kinds:
        return None
    share = result.scale[0]["share"]
    note = f"units a second; each replica has {share:g} of a core; the line is as many times one"
    figure, axes = panels(len(kinds), 3.8 * len(kinds), 3.6, "Throughput by replicas", note)
    for axis, kind in zip(axes, kinds, strict=True):
        found = [one for one in result.scale if one["what"] == kind]
        numbers, first = [one["replicas"] for one in found], found[0]
        axis.plot(numbers, [number * first["per_second"] / first["replicas"] for number in numbers], color=THEIRS)
        axis.plot(numbers, [one["per_second"] for one in found], marker="o", color=OURS, linewidth=2)
        axis.set_xticks(numbers)
        axis.set_ylim(0)
        axis.set_title(kind)
        axis.grid(axis="y", linewidth=0.6)
    return figure


CHARTS: dict[str, Callable[[Result], Figure | None]] = {
    "cost-by-stage": cost_by_stage,
    "cost-of-peers": cost_of_peers,
    "throughput": throughput,
    "offered-and-accepted": offered,
    "latency": latency,
    "backlog": backlog,
    "levers": levers,
    "growth": growth,
    "scale": scale,
}
