"""`ordermesh up --observe` as a person sees it: figures, a trace, an alert; strangers see nothing; all of it ends."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import ITEM, JSON, Place, ports_of
from waiting import await_true

from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.processes import proc
from stack.servers.credentials import OBSERVE, load_or_create

# It waits for an alert, whose cause has to last.
pytestmark = [pytest.mark.long, pytest.mark.timeout(470)]
PROGRAMS = ("prometheus", "alertmanager", "zipkin", "node-exporter", "postgres-exporter")
OBSERVERS = (*PROGRAMS, "spans", "observe-front")
ADDED_RSS_BYTES = 500 * 1024 * 1024
BY_SERVICE = {"envoy", "orders", "publisher", "processor"}


class Observed:
    """A stack that was started with `--observe`, and what its front shows."""

    def __init__(self, place: Place) -> None:
        self.place = place
        password = load_or_create(place.home / "credentials.json").password(OBSERVE)
        self.login = {"authorization": "Basic " + base64.b64encode(f"{OBSERVE}:{password}".encode()).decode()}

    def get(self, path: str) -> Any:
        url = self.place.status.addresses["observe"] + path
        with urllib.request.urlopen(urllib.request.Request(url, headers=self.login), timeout=20) as reply:
            return json.load(reply)

    def figure(self, expression: str) -> float | None:
        query = urllib.parse.urlencode({"query": expression})
        result = self.get(f"/prometheus/api/v1/query?{query}")["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.get(f"/zipkin/api/v2/trace/{trace_id}")
        except urllib.error.HTTPError:
            return []
        return found

    def alerts(self) -> set[str]:
        return {one["labels"]["alertname"] for one in self.get("/alertmanager/api/v2/alerts")}

    def pid(self, name: str) -> int:
        pid = self.place.status.components[name].pid
        assert pid is not None
        return pid


@pytest.fixture(scope="module")
def observed() -> Iterator[Observed]:
    with temporary_home() as home:
        place = Place(home)
        place.env["ORDERMESH_OBSERVE_PORT"] = str(ports.allocate(1)[0])
        up = place.command("up", "--detach", "--observe")
        done = subprocess.run(up, env=place.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "metrics, alerts, traces: http://observe:" in done.stdout
        try:
            yield Observed(place)
        finally:
            place.clear()


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_the_observers_run_beside_the_platform_in_less_than_500_mb(observed: Observed) -> None:
    def states() -> dict[str, str]:
        known = observed.place.status.components
        return {name: str(known[name].state) for name in OBSERVERS}

    await_true(lambda: set(states().values()) == {"ready"}, lambda: str(states()), 120)
    assert sum(rss_bytes(observed.pid(name)) for name in OBSERVERS) < ADDED_RSS_BYTES


def test_an_order_is_in_a_figure_and_its_trace_has_every_service(observed: Observed) -> None:
    trace_id = secrets.token_hex(16)
    order = json.dumps({"customerId": "cust-observed", "items": [ITEM]})
    traceparent = f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-01"
    content = f"content-type: {JSON['content-type']}"
    url = observed.place.status.addresses["rest"] + "/orders"
    subprocess.run(["curl", "-sf", url, "-H", traceparent, "-H", content, "-d", order], check=True, capture_output=True)
    accepted = "sum(ordermesh_orders_accepted_total)"
    await_true(lambda: (observed.figure(accepted) or 0) >= 1, lambda: str(observed.figure(accepted)), 90)

    def services() -> set[str]:
        return {span.get("localEndpoint", {}).get("serviceName", "") for span in observed.spans(trace_id)}

    await_true(lambda: services() >= BY_SERVICE, lambda: str(services()), 60)


@pytest.mark.parametrize(
    "expression",
    [
        "node_memory_MemAvailable_bytes",
        'pg_stat_database_xact_commit{datname="orders"}',
        "jvm_memory_used_bytes",
        'kafka_server_brokertopicmetrics_messagesin_total{topic="order-events"}',
        "envoy_http_downstream_rq_total",
        "prometheus_build_info",
        "alertmanager_build_info",
    ],
)
def test_the_exporters_are_scraped(observed: Observed, expression: str) -> None:
    await_true(lambda: observed.figure(expression) is not None, lambda: f"no {expression}", 60)


def test_nobody_without_the_login_or_the_certificate_reads_anything(observed: Observed) -> None:
    front = observed.place.status.addresses["observe"]
    for path in ("/", "/prometheus/api/v1/query?query=up", "/zipkin/api/v2/services", "/alertmanager/api/v2/alerts"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(front + path, timeout=20)
    for name in (*PROGRAMS, "kafka"):
        (port,) = ports_of(observed.pid(name)) - {int(known) for known in observed.place.ports.values()}
        for scheme in ("http", "https -k"):
            address = f"{scheme.split()[0]}://127.0.0.1:{port}/metrics"
            done = subprocess.run(["curl", "-s", *scheme.split()[1:], address], capture_output=True, check=False)
            assert b"# HELP" not in done.stdout, f"{name} answers over {scheme}"


def test_a_page_of_another_site_reads_nothing_although_the_browser_knows_the_login(observed: Observed) -> None:
    url = observed.place.status.addresses["observe"] + "/prometheus/api/v1/query?query=up"
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "origin": "https://example.com"}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url, headers=observed.login | foreign), timeout=20)
    rebound = {"host": "rebound.example"}
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(url, headers=observed.login | rebound), timeout=20)


def test_an_observer_that_is_killed_is_started_again(observed: Observed) -> None:
    killed = observed.pid("zipkin")
    os.kill(killed, signal.SIGKILL)

    def again() -> bool:
        now = observed.place.status.components["zipkin"]
        return now.pid not in (None, killed) and now.state == "ready"

    await_true(again, lambda: str(observed.place.status.components["zipkin"]), 90)


def test_an_alert_is_seen_once_the_publisher_has_stopped_and_down_leaves_no_process(observed: Observed) -> None:
    place, stopped = observed.place, observed.pid("publisher")
    os.kill(stopped, signal.SIGSTOP)
    try:
        await_true(lambda: "OrdermeshServiceDown" in observed.alerts(), lambda: str(observed.alerts()), 300)
    finally:
        os.kill(stopped, signal.SIGCONT)
    pids = place.pids()
    assert place.run("down").returncode == 0
    place.await_gone(pids)
    assert not [pid for pid in proc.pids() if str(place.home) in proc.command_line(pid)]
