"""A collector of this machine takes spans at the socket of our receiver, for a Zipkin that asks for certificates."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from test_trace_store import otelcol
from waiting import await_true

from stack.machine import ports
from stack.machine.http_probe import http_answers, http_get
from stack.machine.state_folder import temporary_home
from stack.observe import programs
from stack.observe.client_tls import client_context
from stack.observe.observation import Observation
from stack.observe.spans.collector import Collector, collector, collector_command
from stack.observe.zipkin import zipkin
from stack.processes.logfile import LogFile
from stack.processes.runners import Service
from stack.supervision.health_checks import accepts

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
START_SECONDS = 200.0


@pytest.fixture(scope="module")
def observation() -> Iterator[Observation]:
    with temporary_home() as home, tempfile.TemporaryDirectory() as run:
        yield Observation(home, Path(run), 0, secrets.token_urlsafe(), {"zipkin": ports.allocate(1)[0]})


@pytest.fixture(scope="module")
def socket(observation: Observation) -> Iterator[Path]:
    """Start Zipkin and the collector; return the socket, on which a killed collector left another one."""
    path, home = observation.run_dir / "spans.sock", observation.home
    path.touch()
    observation.certificates.let_ask("tests", home / "client", None)
    answers = partial(http_answers, observation.ports["zipkin"], "/health", tls=client_context(home / "client"))
    command = collector_command(observation, Path(otelcol()), "spans", path, None)
    store = Service(zipkin(observation), LogFile(home / "zipkin.log"), answers)
    taker = Collector(command, LogFile(home / "spans.log"), partial(accepts, path), path)
    with ExitStack() as running:
        for one in (store, taker):
            running.callback(one.stop)
            one.start()
            one.wait_ready(START_SECONDS)
        yield path


def test_spans_from_the_socket_are_in_zipkin(observation: Observation, socket: Path) -> None:
    trace_id = secrets.token_bytes(16)
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, secrets.token_bytes(8), "by a collector"
    span.start_time_unix_nano, span.end_time_unix_nano = 1_800_000_000_000_000_000, 1_800_000_000_001_000_000
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        TraceServiceStub(channel).Export(request, timeout=20)  # type: ignore[no-untyped-call]  # generated
    tls, path = client_context(observation.home / "client"), f"/api/v2/trace/{trace_id.hex()}"

    def names() -> list[str]:
        status, body = http_get(observation.ports["zipkin"], path, 10, tls) or (0, b"")
        return [one["name"] for one in json.loads(body)] if status == http.client.OK else []

    await_true(lambda: names() == ["by a collector"], lambda: str(names()), 60)


def test_the_socket_is_for_its_account_and_the_group_of_its_folder(socket: Path) -> None:
    assert socket.stat().st_mode & 0o777 == 0o770


def test_a_collector_without_the_parts_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "FURTHER", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert collector() is None
    for name, source in (("otelcol-contrib", shutil.which("false", path=os.defpath)), ("otelcol", otelcol())):
        assert source is not None
        (tmp_path / name).symlink_to(source)
    assert collector() == Path(otelcol()).resolve()
