"""A picture of load, backlog and pods over time, from what Prometheus recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from autoscalers import Autoscalers
from matplotlib import pyplot

STEP_SECONDS = 5


def pods_of(service: str) -> str:
    """Return the query for how many pods of a service are scraped."""
    return f'count(up{{job="ordermesh-{service}"}})'


# Rows of the picture: what the axis says, and the queries by the name of their line.
ROWS = {
    "requests/s": {
        "at the front": 'sum(rate(envoy_http_downstream_rq_xx{envoy_http_conn_manager_prefix="front"}[1m]))'
    },
    "lag, events": {
        "all partitions": "sum(max by (topic, partition) (ordermesh_consumer_lag_events))",
        "fullest partition": "max(ordermesh_consumer_lag_events)",
    },
    "age, s": {"oldest unsent event": "max(ordermesh_outbox_oldest_unsent_age_seconds)"},
    "pods": {name: pods_of(name) for name in ("orders", "publisher", "processor")},
}


def draw(autoscalers: Autoscalers, since: datetime, path: Path) -> None:
    """Draw what was recorded since a time (UTC) until now."""
    figure, axes = pyplot.subplots(len(ROWS), sharex=True, figsize=(10, 8), layout="constrained")
    for axis, (label, lines) in zip(axes, ROWS.items(), strict=True):
        for name, query in lines.items():
            readings = autoscalers.series(query, since, datetime.now(UTC), STEP_SECONDS)
            minutes = [(at - since.timestamp()) / 60 for at, _ in readings]
            axis.step(minutes, [value for _, value in readings], where="post", label=name)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(loc="upper left", fontsize="small")
    axes[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
