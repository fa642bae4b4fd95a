"""Metric names follow Prometheus' rules, and each metric says what it means."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from runtime.telemetry import metrics
from runtime.telemetry.metrics.component_metric import CLASSES, SERVICES, ComponentMetric, ReadMetric, Specification

ROOT = Path(__file__).parents[2]
PACKAGES = ("orders", "processor", "gateway", "runtime")
# Prometheus: base units only; a suffix for each that the metrics have.
UNIT_SUFFIXES = {"seconds": "_seconds", "seconds since 1970": "_timestamp_seconds", "bytes": "_bytes"}
OTHER_UNITS = ("_ms", "_milliseconds", "_us", "_minutes", "_hours", "_days", "_kb", "_mb", "_percent")
LABELS = {
    "child", "component", "database", "error_type", "event_type", "kind", "method", "outcome", "partition", "python",
    "reason", "rpc_method", "rpc_response_status_code", "source", "state", "status", "table", "topic", "verdict",
    "version", "work",
}  # fmt: skip
every_metric = pytest.mark.parametrize("metric", metrics.catalogue(), ids=lambda metric: metric.name)


def exposition(metric: Specification) -> list[str]:
    """Return the lines that a scrape shows of a metric with one value."""
    registry = CollectorRegistry()
    made = CLASSES[metric.kind](metric.name, metric.help, metric.labels, registry=registry)
    if metric.labels:
        made.labels(*metric.labels)
    return generate_latest(registry).decode().splitlines()


@every_metric
def test_a_name_has_the_prefix_and_a_base_unit(metric: Specification) -> None:
    assert re.fullmatch(r"ordermesh(_[a-z]+)+", metric.name)
    stem = metric.name.removesuffix("_total")
    assert not stem.endswith(OTHER_UNITS)
    for unit, suffix in UNIT_SUFFIXES.items():
        assert (metric.unit == unit) == (stem.endswith(suffix) and not (unit == "seconds" and "_timestamp_" in stem))


@every_metric
def test_counters_and_no_others_end_in_total(metric: Specification) -> None:
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket"))
    shown = {line.split("{")[0].split(" ")[0] for line in exposition(metric) if not line.startswith("#")}
    assert (metric.name in shown) == (metric.kind != "histogram")
    assert (f"{metric.name}_bucket" in shown) == (metric.kind == "histogram")


@every_metric
def test_help_is_a_sentence_and_labels_have_standard_names(metric: Specification) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*\.", metric.help)
    assert metric.unit
    assert LABELS.issuperset(metric.labels)


@every_metric
def test_a_metric_belongs_to_services(metric: Specification) -> None:
    assert SERVICES[metric.component]


def test_no_name_is_used_twice() -> None:
    names = [metric.name for metric in metrics.catalogue()]
    assert len(names) == len(set(names))


def test_every_metric_is_written_to() -> None:
    code = "".join(path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    table = vars(metrics) | vars(metrics.servers)
    declared = {name for name, value in table.items() if isinstance(value, ComponentMetric | ReadMetric)}
    assert declared == set(re.findall(r"\b(?:metrics|servers)\.([A-Z_]+)\b", code))
    assert len(declared) == len(metrics.catalogue())


def test_a_process_without_grpc_shows_no_metric_of_calls() -> None:
    program = "import prometheus_client as p; from runtime.telemetry import metrics; metrics.create('publisher');"
    program += "print(p.generate_latest().decode())"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "ordermesh_publish_delay" in shown
    assert "rpc_server" not in shown
