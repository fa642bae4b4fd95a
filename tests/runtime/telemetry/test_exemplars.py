"""A bucket of a histogram shows the trace of its last sampled value, also where processes share their metrics."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.openmetrics import exposition

from runtime.telemetry import metrics
from runtime.telemetry.metrics.endpoint import Collectors
from runtime.telemetry.metrics.exemplars import Exemplars

FIRST, SECOND = "a" * 32, "b" * 32
NAME = "ordermesh_publish_delay_seconds"
# A child process that observes, hands its exemplars over and ends.
CHILD = f"""
from runtime.telemetry import metrics
from runtime.telemetry.metrics.exemplars import EXEMPLARS
metrics.PUBLISH_DELAY.observe(0.02)
EXEMPLARS.put(metrics.PUBLISH_DELAY, (), 0.02, "{FIRST}")
labels = ("orders.OrderService/CreateOrder", "OK")
metrics.RPC_DURATION.labels(*labels).observe(0.3)
EXEMPLARS.put(metrics.RPC_DURATION, labels, 0.3, "{SECOND}")
EXEMPLARS.flush()
"""
# Its supervisor, asked with an accept header.
SUPERVISOR = """
import sys
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from runtime.telemetry.metrics.endpoint import Collectors
encode, _ = choose_encoder(sys.argv[1])
print(encode(Collectors([MultiProcessCollector(None)])).decode())
"""


class Histograms:
    """A collector with one histogram."""

    def collect(self) -> list[HistogramMetricFamily]:
        return [HistogramMetricFamily(NAME, "Delays.", [("0.025", 1), ("0.05", 2), ("+Inf", 3)], sum_value=100)]


def buckets(exemplars: Exemplars) -> dict[str, tuple[str, float]]:
    """Return trace and value of the exemplars by the bound of their bucket."""
    (family,) = exemplars.attach(Histograms().collect())
    return {
        one.labels["le"]: (one.exemplar.labels["trace_id"], one.exemplar.value)
        for one in family.samples
        if one.exemplar
    }


def test_the_last_sampled_value_of_a_bucket_is_its_exemplar() -> None:
    exemplars = Exemplars()
    assert buckets(exemplars) == {}
    exemplars.put(metrics.PUBLISH_DELAY, (), 0.025, FIRST)
    assert buckets(exemplars) == {"0.025": (FIRST, 0.025)}
    exemplars.put(metrics.PUBLISH_DELAY, (), 0.026, FIRST)
    exemplars.put(metrics.PUBLISH_DELAY, (), 0.011, SECOND)
    exemplars.put(metrics.PUBLISH_DELAY, (), 1_000, FIRST)
    assert buckets(exemplars) == {"0.025": (SECOND, 0.011), "0.05": (FIRST, 0.026), "+Inf": (FIRST, 1_000)}


def run(program: str, folder: Path, *arguments: str, index: str = "") -> str:
    """Run a program of a service with child processes, as the child of this index or as the supervisor."""
    env = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PROMETHEUS_CHILD_INDEX": index, "PATH": ""}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_a_supervisor_shows_the_exemplars_of_its_children_to_those_who_ask_for_openmetrics(tmp_path: Path) -> None:
    run(CHILD, tmp_path, index="0")
    shown = run(SUPERVISOR, tmp_path, "application/openmetrics-text; version=1.0.0")
    lines = [line for line in shown.splitlines() if "trace_id" in line]
    assert [line.partition(" # ")[0] for line in lines] == [
        f'{NAME}_bucket{{le="0.025"}} 1.0',
        'ordermesh_rpc_server_call_duration_seconds_bucket{le="0.5",rpc_method="orders.OrderService/CreateOrder",'
        'rpc_response_status_code="OK"} 1.0',
    ]
    assert [
        f'{{trace_id="{trace}"}} {value} ' in line
        for line, trace, value in zip(lines, (FIRST, SECOND), (0.02, 0.3), strict=True)
    ] == [True, True]
    assert "trace_id" not in run(SUPERVISOR, tmp_path, "text/plain")


@pytest.mark.parametrize("encode", [generate_latest, exposition.generate_latest])
def test_what_has_no_exemplar_is_shown_as_it_is(encode: object) -> None:
    assert callable(encode)
    assert f"{NAME}_bucket".encode() in encode(Collectors([Histograms()]))  # type: ignore[list-item]
