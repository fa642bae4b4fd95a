import os
import shlex
from pathlib import Path

import debian
import pytest

from bench.bare import front
from bench.bare.pipeline import bare
from bench.bare.settings import Engine
from bench.loads.closed_model import BATCHES, GRPC, REST
from bench.measure import stages
from bench.measure.end_to_end import measured


@pytest.fixture
def h2load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts h2load on PATH, with the libraries that it alone needs."""
    program = debian.program("nghttp2-client", "usr/bin/h2load")
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in program.env.items())
    script = tmp_path / "h2load"
    script.write_text(f'#!/bin/sh\n{env} exec {shlex.quote(program.path)} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("h2load")
@pytest.mark.parametrize(
    "engine", [Engine.FRONT, *(pytest.param(one, marks=pytest.mark.long) for one in Engine if one != Engine.FRONT)]
)
def test_the_bare_pipeline_counts_every_order_over_every_protocol(engine: Engine) -> None:
    with bare(engine, processes=1) as subject:
        runs = [measured(subject, load, calls) for load, calls in ((GRPC, 200), (REST, 200), (BATCHES, 4))]
    assert [(run.orders, run.reconciled) for run in runs] == [(200, True), (200, True), (400, True)]
    assert all(run.wal_bytes_per_order > 0 for run in runs)


def test_stages_alone_do_all_the_events_that_were_put_there() -> None:
    publisher, worker = stages.publisher_and_worker(3_000)
    assert (publisher.stage, worker.stage) == ("publisher", "worker")
    assert publisher.events == worker.events == 3_000


def test_a_transaction_takes_no_call_once_it_is_full() -> None:
    calls: list[front.Call] = [(1, front.CREATE, [b""]), (2, front.CREATE_BATCH, [b""] * 3), (3, front.CREATE, [b""])]
    assert [len(group) for group in front.groups(calls, 2)] == [2, 1]
    assert front.groups(calls, 1000) == [calls]
