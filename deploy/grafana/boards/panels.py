"""The forms that all dashboards share: a graph over time, a number, and a board of rows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models

GRID_WIDTH = 24
GRAPH_HEIGHT, NUMBER_HEIGHT = 8, 4
# So that every board can be used with another Prometheus.
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
# Grafana replaces it by a range of at least four scrapes.
RATE = "[$__rate_interval]"
CREATE_ORDER = "ordermesh.orders.v1.OrderService/CreateOrder"
# Status codes with which a server failed, of gRPC and HTTP, and those with which a request was refused for its amount.
SERVER_ERRORS = "5..|UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
TOO_MANY = "429|RESOURCE_EXHAUSTED"
GREEN, ORANGE, RED = "green", "orange", "red"

Panel = timeseries.Panel | stat.Panel


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and the legend of its series: `{{label}}` stands for the value of a label."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels under a title; panels share the width, and go on below when there are more than `most`."""

    title: str
    panels: Sequence[Panel]
    most: int = 3


def rate(series: str) -> str:
    """Return the rate of a counter, which may have a selector of labels."""
    return f"rate({series}{RATE})"


def percentile(share: float, histogram: str, by: str = "", labels: str = "") -> str:
    """Return a percentile of a histogram, by labels; `share` is from 0 to 1."""
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({grouped}) ({rate(f'{histogram}_bucket{labels}')}))"


def percentiles(histogram: str, labels: str = "") -> list[Query]:
    """Return the median and the 99th percentile of a histogram."""
    return [Query(percentile(share, histogram, labels=labels), name) for share, name in ((0.5, "p50"), (0.99, "p99"))]


def mean(histogram: str) -> str:
    """Return the mean of the values of a histogram."""
    return f"sum({rate(f'{histogram}_sum')}) / sum({rate(f'{histogram}_count')})"


def target(query: Query, place: int) -> prometheus.Dataquery:
    """Return a query of a panel."""
    made = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + place))
    # Only histograms have exemplars, and asking for them elsewhere costs a request.
    return made.exemplar(True) if "_bucket" in query.expression else made


def graph(title: str, unit: str, queries: Sequence[Query], text: str, *, stacked: bool = False) -> timeseries.Panel:
    """Return a graph over time; `unit` is one of Grafana's, `text` says what it means."""
    panel = timeseries.Panel().title(title).description(text).unit(unit).datasource(SOURCE).height(GRAPH_HEIGHT).min(0)
    panel.tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    panel.legend(
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.line_width(1).fill_opacity(10)
    if stacked:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL)).fill_opacity(40)
    for place, query in enumerate(queries):
        panel.with_target(target(query, place))
    return panel


def number(
    title: str, unit: str, query: Query, text: str, *, orange: float | None = None, red: float | None = None
) -> stat.Panel:
    """Return the last value of a query as a number, with the values from which on it is orange or red.

    With `red` below `orange`, small values are bad.
    """
    panel = stat.Panel().title(title).description(text).unit(unit).datasource(SOURCE).height(NUMBER_HEIGHT)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).graph_mode(kinds.BigValueGraphMode.AREA)
    panel.thresholds(build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps(orange, red)))
    return panel.with_target(target(query, 0))


def steps(orange: float | None, red: float | None) -> list[models.Threshold]:
    """Return the thresholds of a number; Grafana wants the lowest first, and that one without a value."""
    if orange is not None and red is not None and red < orange:
        return [
            models.Threshold(value=None, color=RED),
            models.Threshold(value=red, color=ORANGE),
            models.Threshold(value=orange, color=GREEN),
        ]
    named = ((None, GREEN), (orange, ORANGE), (red, RED))
    return [models.Threshold(value=value, color=color) for value, color in named if value is not None or color == GREEN]


def board(name: str, title: str, text: str, rows: Sequence[Row]) -> models.Dashboard:
    """Return a dashboard; `name` is the end of its address."""
    made = (
        build.Dashboard(f"ordermesh: {title}")
        .uid(f"ordermesh-{name}")
        .description(text)
        .tags(["ordermesh"])
        .readonly()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("utc")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .link(
            build.DashboardLink("ordermesh")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["ordermesh"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for row in rows:
        made.with_row(build.Row(row.title))
        for panel in row.panels:
            made.with_panel(panel.span(GRID_WIDTH // min(row.most, len(row.panels))))
    return made.build()
