"""The Prometheus metrics, from runtime/telemetry/metrics.py."""

from __future__ import annotations

from generator.markdown import head, table
from runtime.telemetry.component_metric import Specification
from runtime.telemetry.metrics import catalogue

INTRO = """\
Each service serves its metrics in the Prometheus text format at `/metrics` of `ORDERMESH_METRICS_ADDRESS`; the local
stack uses the ports 9101 (orders), 9102 (publisher), 9103 (processor), 9104 (analytics) and 9105 (gateway). Envoy's own
statistics are on 9902, `/stats/prometheus`. The processes of a service are summed. A histogram is exposed as
`name_bucket`, `name_sum` and `name_count`.
"""

SEVERAL = {"grpc": "every gRPC service", "tracing": "every service that sends spans"}


def page() -> str:
    """Return the page."""
    columns = ("metric", "type", "unit", "labels", "component", "meaning")
    return f"{head('Metrics', '`runtime/telemetry/metrics.py`', INTRO)}\n{table(columns, map(row, catalogue()))}"


def row(metric: Specification) -> tuple[str, ...]:
    """Return one metric."""
    component = SEVERAL.get(metric.component, metric.component)
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"`{metric.name}`", metric.kind, metric.unit, labels, component, metric.help
