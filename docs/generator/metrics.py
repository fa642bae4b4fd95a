"""The Prometheus metrics, from runtime/telemetry/metrics/."""

from __future__ import annotations

from generator.markdown import head, table
from runtime.telemetry.metrics import catalogue
from runtime.telemetry.metrics.component_metric import SERVICES, Specification

INTRO = """\
Each service serves its metrics in the Prometheus text format at `/metrics` of `ORDERMESH_METRICS_ADDRESS`; the local
stack uses the ports 9101 (orders), 9102 (publisher), 9103 (processor), 9104 (analytics) and 9105 (gateway). Envoy's own
statistics are on 9902, `/stats/prometheus`. The processes of a service are summed. A histogram is exposed as
`name_bucket`, `name_sum` and `name_count`. A service exports what it measures itself, and nothing else.

Values that a service reads from a database or from Kafka are read in the background, and vanish when they cannot be
read. Every replica of the service has the same value of them: aggregate with `max`, not with `sum`. They are marked
with *read*.
"""


def page() -> str:
    """Return the page."""
    columns = ("metric", "type", "unit", "labels", "services", "meaning")
    order = list(SERVICES)
    metrics = sorted(catalogue(), key=lambda metric: order.index(metric.component))
    return f"{head('Metrics', '`runtime/telemetry/metrics/`', INTRO)}\n{table(columns, map(row, metrics))}"


def row(metric: Specification) -> tuple[str, ...]:
    """Return one metric."""
    services = SERVICES[metric.component]
    shown = "all" if services == SERVICES["service"] else ", ".join(services)
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = f"{metric.kind}, *read*" if metric.is_read else metric.kind
    return f"`{metric.name}`", kind, metric.unit, labels, shown, metric.help
