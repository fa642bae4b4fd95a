"""Draws a dashboard from its JSON and the data of a Prometheus: Grafana itself cannot run in a test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import dates, pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

Series = list[dict[str, Any]]
Ask = Callable[[str], Series]

# Inches of a unit of Grafana's grid, which is 24 wide.
COLUMN, LINE, WIDTH = 0.75, 0.38, 24
COLOURS = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300")
THRESHOLDS = {"green": "#3f9c35", "orange": "#e0752d", "red": "#d44a3a"}
LEGEND_ENTRIES = 8
SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
TIMES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
COUNTS = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard: kind, title, unit, queries with their legends, thresholds, and its place on the grid."""

    kind: str
    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    thresholds: Sequence[tuple[float, str]]
    stacked: bool
    x: int
    y: int
    width: int
    height: int


def panels_of(board: dict[str, Any]) -> Iterator[Panel]:
    """Yield the panels of a dashboard, with the titles of its rows as panels of the kind row."""
    for panel in board["panels"]:
        place, defaults = panel["gridPos"], panel.get("fieldConfig", {}).get("defaults", {})
        yield Panel(
            panel["type"],
            panel["title"],
            defaults.get("unit", "none"),
            [(target["expr"], target.get("legendFormat", "")) for target in panel.get("targets", [])],
            [
                (float("-inf") if step["value"] is None else step["value"], step["color"])
                for step in defaults.get("thresholds", {}).get("steps", [])
            ],
            defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
            *(int(place.get(key, 0)) for key in ("x", "y", "w", "h")),
        )


def draw(board: dict[str, Any], ask: Ask, path: Path) -> None:
    """Draw a dashboard; `ask` returns the series of an expression over time."""
    panels = list(panels_of(board))
    lines = max(panel.y + panel.height for panel in panels)
    figure = pyplot.figure(figsize=(WIDTH * COLUMN, lines * LINE + 0.6), facecolor="#f4f5f5")
    figure.text(0.008, 1 - 0.3 / figure.get_figheight(), board["title"], fontsize=15, fontweight="bold", va="center")
    for panel in panels:
        draw_panel(figure, panel, ask, lines)
    figure.savefig(path, dpi=75)
    pyplot.close(figure)


def draw_panel(figure: Figure, panel: Panel, ask: Ask, lines: int) -> None:
    """Draw a panel at its place."""
    total = lines * LINE + 0.6
    left, width = panel.x / WIDTH, panel.width / WIDTH
    bottom, height = (lines - panel.y - panel.height) * LINE / total, panel.height * LINE / total
    if panel.kind == "row":
        figure.text(left + 0.008, bottom + height / 2, f"▾ {panel.title}", fontsize=11, va="center", color="#333")
        return
    frame = figure.add_axes((left + 0.004, bottom + 0.05 / total, width - 0.008, height - 0.1 / total))
    frame.set(xticks=[], yticks=[], facecolor="white")
    for spine in frame.spines.values():
        spine.set_color("#d8d9da")
    top = bottom + height - 0.22 / total
    figure.text(left + 0.009, top, panel.title, fontsize=9, fontweight="bold", va="center", color="#222")
    series = [(legend_of(legend, one), points(one)) for query, legend in panel.queries for one in ask(query)]
    if panel.kind == "stat":
        draw_number(frame, panel, series)
        return
    legend_lines = (min(len(series), LEGEND_ENTRIES) + 1) // 2
    below = (0.3 + 0.16 * legend_lines) / total
    axes = figure.add_axes((left + 0.036, bottom + below, width - 0.046, height - below - 0.45 / total))
    draw_graph(axes, panel, series)


def draw_graph(axes: Axes, panel: Panel, series: Sequence[tuple[str, list[tuple[datetime, float]]]]) -> None:
    """Draw the series over time, the largest first in the legend."""
    series = sorted(series, key=lambda one: -max((value for _, value in one[1]), default=0))
    base: dict[datetime, float] = {}
    for place, (name, values) in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        label = name if place < LEGEND_ENTRIES else "_"
        times = [at for at, _ in values]
        lower = [base.get(at, 0.0) if panel.stacked else 0.0 for at in times]
        upper = [below + value for below, (_, value) in zip(lower, values, strict=True)]
        base |= dict(zip(times, upper, strict=True))
        axes.plot(times, upper, color=colour, linewidth=1.1, label=label)
        axes.fill_between(times, lower, upper, color=colour, alpha=0.35 if panel.stacked else 0.07, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, panel.unit)))
    axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=6))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axes.tick_params(labelsize=7, colors="#555", length=0)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    more = f" (and {len(series) - LEGEND_ENTRIES} more)" if len(series) > LEGEND_ENTRIES else ""
    if series:
        axes.legend(
            loc="upper left", bbox_to_anchor=(-0.06, -0.1), ncol=2, fontsize=6.5, frameon=False, title=more,
            title_fontsize=6, borderpad=0, handlelength=1.2, columnspacing=1.2, labelspacing=0.25,
        )  # fmt: skip


def draw_number(axes: Axes, panel: Panel, series: Sequence[tuple[str, list[tuple[datetime, float]]]]) -> None:
    """Draw the last value of the first series, in the colour of its threshold."""
    values = [value for _, values in series[:1] for _, value in values]
    last = values[-1] if values else float("nan")
    colour = next((colour for least, colour in reversed(panel.thresholds) if last >= least), "green")
    axes.text(
        0.5, 0.45, shown(last, panel.unit) if values else "no data", transform=axes.transAxes, ha="center", va="center",
        fontsize=19, fontweight="bold", color=THRESHOLDS[colour],
    )  # fmt: skip
    trend = axes.inset_axes((0, 0, 1, 0.25))
    trend.fill_between(range(len(values)), values, color=THRESHOLDS[colour], alpha=0.2, linewidth=0)
    trend.axis("off")


def points(series: dict[str, Any]) -> list[tuple[datetime, float]]:
    """Return the points of a series; gaps are left out."""
    found = ((datetime.fromtimestamp(float(at), UTC), float(value)) for at, value in series["values"])
    return [(at, value) for at, value in found if value == value]  # NaN is not equal to itself


def legend_of(template: str, series: dict[str, Any]) -> str:
    """Return the legend of a series from its labels."""
    text = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: str(series["metric"].get(found[1], "")), template)
    return text.replace("ordermesh.", "") or "other"


def shown(value: float, unit: str) -> str:
    """Return a value as Grafana shows it with one of its units."""
    if value != value:  # NaN is not equal to itself
        return "-"
    if unit in ("bool_yes_no", "bool_on_off"):
        return (("No", "Yes") if unit == "bool_yes_no" else ("Off", "On"))[bool(value)]
    if unit == "percentunit":
        return f"{value:.3g}" if value == 0 else f"{100 * value:.3g} %"
    if unit in ("s", "ms"):
        return scaled(value / 1000 if unit == "ms" else value, TIMES, "s")
    if unit in ("bytes", "Bps"):
        return scaled(value, SIZES, "B") + ("/s" if unit == "Bps" else "")
    return scaled(value, COUNTS, "") + {"reqps": " req/s", "ops": " /s"}.get(unit, "")


def scaled(value: float, steps: Sequence[tuple[float, str]], smallest: str) -> str:
    """Return a value in the largest unit that is not larger than it."""
    for size, name in steps:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}".replace("  ", " ")
    return f"{value:.3g} {smallest}".strip()
