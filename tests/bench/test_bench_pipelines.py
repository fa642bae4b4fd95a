import shutil

import pytest

from bench import stages
from bench.bare import front
from bench.bare.pipeline import bare
from bench.bare.settings import Engine
from bench.end_to_end import measured
from bench.loads import BATCHES, GRPC, REST

needs_h2load = pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is missing (nghttp2-client)")


@needs_h2load
@pytest.mark.parametrize("engine", list(Engine))
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
