"""The service level objectives: how much of their error budgets is used up, and how fast."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, number

# By the name of the recording rules in deploy/prometheus/rules/slo.yaml: a title, and the share of failures allowed.
OBJECTIVES = {
    "create_order_errors": ("99.9 % of CreateOrder answered without a server error", 0.001),
    "events_late": ("99 % of events counted within a second", 0.01),
}
WINDOWS = ("5m", "1h", "6h", "3d")


def objectives() -> Dashboard:
    """Return the dashboard."""
    return board(
        "objectives",
        "objectives",
        "Error budgets and how fast they are used. A rate of 1 uses up the budget of 30 days in 30 days.",
        [objective(rule, title, allowed) for rule, (title, allowed) in OBJECTIVES.items()],
    )


def objective(rule: str, title: str, allowed: float) -> Row:
    """Return the row of an objective."""
    return Row(
        title,
        [
            number(
                "Failed, last five minutes",
                "percentunit",
                Query(f"ordermesh:{rule}:ratio_rate5m"),
                f"The objective allows {allowed:.1%}.",
                orange=allowed,
                red=14.4 * allowed,
            ),
            number(
                "Failed, three days",
                "percentunit",
                Query(f"ordermesh:{rule}:ratio_rate3d"),
                f"The objective allows {allowed:.1%}.",
                orange=allowed,
                red=2 * allowed,
            ),
            graph(
                "Burn rate by window",
                "none",
                [Query(f"ordermesh:{rule}:ratio_rate{window} / {allowed:g}", window) for window in WINDOWS],
                "Alerts fire above 14.4 over an hour and 6 over six hours, and warn above 1 over three days.",
            ),
        ],
    )
