"""The programs as processes: signals, kills, orphans, settings."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from metrics_oracle import sums
from processor_servers import Analytics
from processor_world import World, history
from waiting import PATIENCE_SECONDS, await_true

from runtime.exit_codes import ExitCode
from stack.machine import ports

ROOT = Path(__file__).parents[2]


def program(command: str, **settings: str) -> "subprocess.Popen[str]":
    """Start one of the programs with these settings and no others."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")}
    env |= {f"ORDERMESH_{name.upper()}": value for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "processor", command],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def children(pid: int) -> set[int]:
    """Return the worker processes of a supervisor."""
    return {int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()}


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def metrics_port() -> int:
    return ports.allocate(1)[0]


@pytest.fixture
def service(world: World, metrics_port: int) -> "Iterator[subprocess.Popen[str]]":
    made = program(
        "work",
        analytics_dsn=world.settings.analytics_dsn.get_secret_value(),
        kafka_bootstrap=world.settings.kafka_bootstrap,
        kafka_properties=json.dumps(world.worker_settings.kafka_properties),
        processor_group=world.settings.processor_group,
        metrics_address=f"127.0.0.1:{metrics_port}",
    )
    yield made
    if made.poll() is None:
        made.kill()
    made.communicate()


def test_killed_workers_are_restarted_and_count_each_event_once(
    world: World, service: "subprocess.Popen[str]", metrics_port: int
) -> None:
    await_true(lambda: assigned(metrics_port) == 24, "all partitions are held")
    events = history(200)
    world.send(events[:100])
    await_true(lambda: world.rows("SELECT 1 FROM processed_events LIMIT 1"), "counting began")
    first = children(service.pid)
    for worker in first:
        os.kill(worker, signal.SIGKILL)
    world.send(events[100:])
    await_true(world.counted_all, "everything is counted")
    assert world.metrics() == sums(events)
    assert len(children(service.pid) - first) == 2
    service.terminate()
    assert service.wait(PATIENCE_SECONDS) == ExitCode.OK


def assigned(port: int) -> float:
    """Return how many partitions the workers report as assigned, 0 while nothing answers."""
    found = re.search(r"^ordermesh_assigned_partitions (\S+)$", scraped(port), re.MULTILINE)
    return float(found[1]) if found else 0


def scraped(port: int) -> str:
    """Return the metrics, empty while nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_a_killed_supervisor_leaves_no_worker_behind(service: "subprocess.Popen[str]") -> None:
    await_true(lambda: len(children(service.pid)) == 2, "the workers run")
    workers = children(service.pid)
    service.kill()
    await_true(lambda: not any(alive(pid) for pid in workers), "the workers are gone")


def test_the_server_reports_serving_and_stops_on_request(analytics: Analytics, metrics_port: int) -> None:
    socket = f"unix:/tmp/om-an-{os.getpid()}.sock"
    server = program(
        "serve",
        analytics_dsn=analytics.reader,
        analytics_listen=socket,
        token_keys=secrets.token_hex(32),
        metrics_address=f"127.0.0.1:{metrics_port}",
    )
    calls = "# TYPE ordermesh_rpc_server_call_duration_seconds histogram"
    await_true(lambda: calls in scraped(metrics_port), "the metric of calls is shown before the first call")
    with grpc.insecure_channel(socket) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="ordermesh.analytics.v1.AnalyticsService")
        answer = health.Check(request, wait_for_ready=True, timeout=PATIENCE_SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        server.terminate()
        await_true(
            lambda: health.Check(request).status == health_pb2.HealthCheckResponse.NOT_SERVING, "it says that it drains"
        )
    assert server.wait(PATIENCE_SECONDS) == ExitCode.OK
    server.communicate()


def test_the_schema_can_be_migrated_again(analytics: Analytics) -> None:
    again = program("migrate", analytics_dsn=analytics.owner)
    assert '"ordermesh.migrations": []' in again.communicate()[0]
    assert again.returncode == ExitCode.OK


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "ORDERMESH_ANALYTICS_DSN is required"),
        ({"analytics_dsn": "postgresql://", "processor_workers": "0"}, "ORDERMESH_PROCESSOR_WORKERS"),
        ({"analytics_dsn": "postgresql://", "processor_batch_events": "many"}, "ORDERMESH_PROCESSOR_BATCH_EVENTS"),
        (
            {
                "analytics_dsn": "postgresql://",
                "kafka_group_protocol": "consumer",
                "kafka_properties": '{"session.timeout.ms": "9000"}',
            },
            "ORDERMESH_KAFKA_GROUP_PROTOCOL: Value error, must be classic or auto with session.timeout.ms",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings: dict[str, str], named: str) -> None:
    refused = program("work", **settings)
    assert named in refused.communicate()[0]
    assert refused.returncode == ExitCode.CONFIG


def test_an_unknown_command_shows_the_usage() -> None:
    refused = program("wrok")
    assert "usage: python -m processor migrate | schema | work | serve" in refused.communicate()[0]
    assert refused.returncode == ExitCode.USAGE
