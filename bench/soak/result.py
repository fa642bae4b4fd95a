"""The result of a soak test: a file with the figures of each midnight, growth, a chart and a page."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

from bench.report.plots import COLOURS, STYLE, panels
from bench.report.result import Result
from bench.soak.run import RETENTION, Night, Plan

SCHEMA = "ordermesh.soak/1"
# Tables that grow with the orders; all others have a retention.
GROWING = {"orders", "sales_metrics", "event_ledger", "order_ledger"}
# Relative to the largest value of the first cycle; caches of broker and database vary.
MOST_GROWTH = {"tables": 1.25, "memory": 1.15}
# A night is one minute here: faster growth would be hundreds of MiB per day.
MOST_MIB_A_NIGHT = {"orders": 0.5, "publisher": 0.5, "processor": 0.5, "analytics": 0.5, "gateway": 0.5}
WARM_NIGHTS = 3
LEAST_NIGHTS = 9
SMALL_BYTES = 1024 * 1024
CYCLE_NIGHTS = 5
CURVES = ("event_outbox", "processed_events", "order_request", "idempotency_request", "orders")
COLUMNS = (
    "midnight",
    "verdict",
    "compared from",
    "orders",
    "outbox rows",
    "partitions",
    "counted rows",
    "request ids",
    "memory, MiB",
    "processor, MiB",
    "Kafka, MiB",
)
LINES = ("#1b6ca8", "#d1495b", "#2a9d8f", "#e9a23b", "#a0a7ae")


def document(machine: Result, plan: Plan, nights: Sequence[Night]) -> dict[str, Any]:
    """Return the content of the file."""
    return {
        **machine.heading(SCHEMA),
        "plan": {
            "midnights": plan.midnights,
            "orders_per_second": plan.orders_per_second,
            "seconds": plan.seconds,
            "retention": RETENTION,
        },
        "growth": growth(nights),
        "mib_a_night": slopes(nights),
        "problems": [f"{night.midnight}: {problem}" for night in nights for problem in night.problems],
        "nights": [asdict(night) | {"midnight": f"{night.midnight}"} for night in nights],
    }


def growth(nights: Sequence[Night]) -> dict[str, dict[str, float]]:
    """Return the growth factors of tables and memory from the first full cycle to the last one."""
    first, last = nights[1 + CYCLE_NIGHTS : 1 + 2 * CYCLE_NIGHTS], nights[-CYCLE_NIGHTS:]
    if len(nights) < 1 + 3 * CYCLE_NIGHTS:
        return {}
    tables = {name: [table_bytes(one, name) for one in (first, last)] for name in first[0].figures["tables"]}
    memory = {
        component: [memory_mib(one, component) for one in (first, last)] for component in first[0].figures["memory_mib"]
    }
    return {
        "tables": {name: round(b / a, 3) for name, (a, b) in tables.items() if name not in GROWING and b > SMALL_BYTES},
        "memory": {component: round(b / a, 3) for component, (a, b) in memory.items()},
    }


def table_bytes(nights: Sequence[Night], name: str) -> int:
    """Return the largest size of a table in these nights, in bytes."""
    return max(int(night.figures["tables"][name]["bytes"]) for night in nights)


def memory_mib(nights: Sequence[Night], component: str) -> float:
    """Return the largest memory of a component in these nights, in MiB."""
    return max(float(night.figures["memory_mib"][component]) for night in nights)


def slopes(nights: Sequence[Night]) -> dict[str, float]:
    """Return the memory growth of each service in MiB per night after warm-up: the lower of two halves.

    A step, such as a cache that fills once, is in one half only; steady growth is in both.
    """
    if len(nights) < LEAST_NIGHTS:
        return {}
    warm = nights[WARM_NIGHTS:]
    halves = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    return {component: round(min(slope(half, component) for half in halves), 2) for component in MOST_MIB_A_NIGHT}


def slope(nights: Sequence[Night], component: str) -> float:
    """Return the slope of the linear regression of the memory of a component."""
    memory = [memory_mib([night], component) for night in nights]
    return statistics.linear_regression(range(len(memory)), memory).slope


def grows_on(found: Mapping[str, float]) -> list[str]:
    """Return a problem for each service whose memory grows."""
    return [
        f"{component} grows by {mib} MiB per night"
        for component, mib in found.items()
        if mib > MOST_MIB_A_NIGHT[component]
    ]


def grown(found: dict[str, dict[str, float]]) -> list[str]:
    """Return a problem for each table or process that exceeds its growth limit."""
    return [
        f"{name} ({kind}) grew by a factor of {factor}"
        for kind, factors in found.items()
        for name, factor in factors.items()
        if factor > MOST_GROWTH[kind]
    ]


def write(machine: Result, plan: Plan, nights: Sequence[Night]) -> Path:
    """Write the file and return its path."""
    machine.path.write_text(json.dumps(document(machine, plan, nights), indent=1) + "\n")
    return machine.path


def draw(path: Path) -> Path:
    """Draw the chart of a result beside it, and return its path."""
    nights = json.loads(path.read_text())["nights"]
    picture = path.with_suffix(".png")
    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        note = "One point per midnight; gaps between days are omitted"
        figure, axes = panels(3, 15, 4.4, "Soak test: the clock moves from midnight to midnight", note)
        rows(axes[0], nights)
        memory(axes[1], nights)
        logs(axes[2], nights)
        figure.savefig(picture, dpi=110, bbox_inches="tight")
        pyplot.close(figure)
    return picture


def rows(axis: Axes, nights: Sequence[dict[str, Any]]) -> None:
    """Draw the numbers of rows of tables."""
    for name, colour in zip(CURVES, LINES, strict=True):
        values = [night["figures"]["tables"][name]["rows"] for night in nights]
        axis.plot(values, color=colour, linewidth=1.8, label=name)
    finish(axis, nights, "rows")


def memory(axis: Axes, nights: Sequence[dict[str, Any]]) -> None:
    """Draw the memory of each component."""
    for component in nights[0]["figures"]["memory_mib"]:
        values = [night["figures"]["memory_mib"][component] for night in nights]
        axis.plot(values, color=COLOURS.get(component, "#8ab17d"), linewidth=1.8, label=component)
    finish(axis, nights, "memory (PSS), MiB")


def logs(axis: Axes, nights: Sequence[dict[str, Any]]) -> None:
    """Draw the disk usage."""
    tables = [sum(one["bytes"] for one in night["figures"]["tables"].values()) / 2**20 for night in nights]
    axis.plot(tables, color=LINES[0], linewidth=1.8, label="all tables")
    axis.plot([n["figures"]["kafka_log_mib"] for n in nights], color=LINES[1], linewidth=1.8, label="Kafka's log")
    axis.plot([n["figures"]["log_files_mib"] for n in nights], color=LINES[4], linewidth=1.8, label="log files")
    finish(axis, nights, "disk, MiB")


def finish(axis: Axes, nights: Sequence[dict[str, Any]], title: str) -> None:
    """Set title, dates and legend of a panel."""
    axis.set_title(title)
    places = range(0, len(nights), max(1, len(nights) // 6))
    axis.set_xticks(list(places), [nights[place]["midnight"] for place in places], rotation=30, fontsize=8)
    axis.set_ylim(bottom=0)
    axis.grid(axis="y", linewidth=0.6)
    axis.legend(frameon=False, fontsize=8)


def page(path: Path, command: str) -> Path:
    """Write the summary page of a result, and return its path."""
    found = json.loads(path.read_text())
    nights, page_path = found["nights"], path.with_suffix(".md")
    lines = [
        f"# Soak test of {len(nights)} midnights",
        "",
        f"`{command}`, {found['started_at']} to {found['finished_at']}, commit {found['commit']}; retention in days: "
        + ", ".join(
            f"{name.removeprefix('ORDERMESH_').lower()} {days}" for name, days in found["plan"]["retention"].items()
        ),
        "",
        f"![curves]({path.with_suffix('.png').name})",
        "",
        f"Problems: {len(found['problems'])}. Reconciled at each midnight: "
        f"{sum(night['verdict'] == 'AGREES' for night in nights)} of {len(nights)}. Orders at the end: "
        f"{nights[-1]['orders_stored']:,}.",
        "",
        *(f"- {problem}" for problem in found["problems"]),
        "",
        "Growth factor from the first five midnights with every retention in effect to the last five: "
        + "; ".join(f"{kind}: " + ", ".join(f"{n} {f}" for n, f in of.items()) for kind, of in found["growth"].items()),
        "",
        "Memory growth of the services, MiB per night from the fourth on (the lower of two halves): "
        + ", ".join(f"{component} {mib}" for component, mib in found["mib_a_night"].items()),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *(line(night) for night in nights),
    ]
    page_path.write_text("\n".join(lines) + "\n")
    return page_path


def line(night: dict[str, Any]) -> str:
    """Return the table row of a night."""
    tables, memory_of = night["figures"]["tables"], night["figures"]["memory_mib"]
    outbox = tables["event_outbox"]
    cells = (
        night["midnight"],
        night["verdict"],
        night["covers_from"],
        f"{night['orders_stored']:,}",
        f"{outbox['rows']:,}",
        outbox["partitions"],
        f"{tables['processed_events']['rows']:,}",
        f"{tables['order_request']['rows']:,}",
        f"{sum(memory_of.values()):,.0f}",
        memory_of["processor"],
        night["figures"]["kafka_log_mib"],
    )
    return "| " + " | ".join(map(str, cells)) + " |"
