"""The serving process, with one of its background tasks made to end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ordermesh.orders.v1 import orders_pb2_grpc
from orders_world import World, order, refusal
from psycopg_pool import AsyncConnectionPool
from signed_tokens import TOKEN_KEYS
from structlog.testing import capture_logs
from waiting import until_true

from orders.domain.clock import DatabaseClock
from orders.outbox.notifier import Notifier
from orders.stock.backorder_release import BackorderReleases
from orders.stock.release_sweep import ReleaseSweep
from runtime.exit_codes import ExitCode

TASKS = {
    "writer": "orders.writes.group_commit.Writer._next_batch",
    "notifier": "orders.outbox.notifier.Notifier.run",
    "release sweep": "orders.stock.release_sweep.ReleaseSweep.run",
    "partition maintenance": "orders.services.maintain_partitions",
}
WAITS_FOR_LOCK = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
# SIGUSR1 ends the task.
PROGRAM = """
import asyncio, signal
from importlib import import_module
import orders.serve

path, how = "{path}".rsplit(".", 1), "{how}"
async def ends(*_):
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    await asked.wait()
    if how == "raises":
        raise ValueError("broken")
owner, name = path
module, _, attribute = owner.rpartition(".")
target = import_module(owner) if owner == "orders.services" else getattr(import_module(module), attribute)
setattr(target, name, ends)
orders.serve.run(0)
"""


def begin(dsn: str, folder: Path, argv: list[str]) -> subprocess.Popen[bytes]:
    folder.mkdir()
    env = os.environ | {
        "ORDERMESH_ORDERS_DSN": dsn,
        "ORDERMESH_TOKEN_KEYS": TOKEN_KEYS,
        "ORDERMESH_ORDERS_LISTEN": f"unix:{folder}/orders-{{index}}.sock",
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([sys.executable, *argv], env=env, stdout=log, stderr=log)


async def ends_well(dsn: str, folder: Path, task: str, how: str) -> None:
    process = begin(dsn, folder, ["-c", PROGRAM.format(path=TASKS[task], how=how)])
    try:
        async with grpc.aio.insecure_channel(f"unix:{folder}/orders-0.sock") as channel:
            health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
            while (await health.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
            process.send_signal(signal.SIGUSR1)
            assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            health.cancel()
            answer = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(order(("p1", 1, 1)))
            # A draining process still serves calls; without a writer it refuses orders at once.
            if task == "writer":
                assert (await refusal(answer)).reason == "DATABASE_UNAVAILABLE"
            else:
                await answer
            assert await asyncio.to_thread(process.wait, 30) == ExitCode.BACKGROUND_ENDED
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    assert [line["ordermesh.task"] for line in lines if "background task ended" in line["message"]] == [task]


async def test_a_process_whose_background_task_ends_reports_not_serving_and_exits(
    orders_dsn: str, run_folder: Path
) -> None:
    ways = {task: "returns" if task == "partition maintenance" else "raises" for task in TASKS}
    await asyncio.gather(*(ends_well(orders_dsn, run_folder / task, task, how) for task, how in ways.items()))


@pytest.mark.usefixtures("patient_writer")
async def test_calls_waiting_for_a_writer_that_ends_are_answered(world: World, owner_dsn: str) -> None:
    lock = await psycopg.AsyncConnection.connect(owner_dsn)
    await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
    in_flight = asyncio.ensure_future(refusal(world.create(("p1", 1, 1))))
    await until_true(lambda: world.value(WAITS_FOR_LOCK), "the order waits for a lock")
    queued = asyncio.ensure_future(refusal(world.create(("p1", 1, 1))))
    while world.writer._queue.empty():  # noqa: ASYNC110  # no event tells it
        await asyncio.sleep(0)
    world.writing.cancel()
    assert ((await in_flight).reason, (await queued).reason) == ("OUTCOME_UNKNOWN", "DATABASE_UNAVAILABLE")
    assert (await refusal(world.create(("p1", 1, 1)))).reason == "DATABASE_UNAVAILABLE"
    await lock.rollback()
    await lock.close()


async def test_an_outage_of_the_release_sweep_is_logged_in_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    went_on, answers = asyncio.Event(), [psycopg.OperationalError("away")] * 20

    async def run_once() -> bool:
        if answers:
            raise answers.pop()
        went_on.set()
        return False

    releases = BackorderReleases(DatabaseClock())
    sweep = ReleaseSweep(AsyncConnectionPool(open=False), releases, Notifier(""))
    monkeypatch.setattr("orders.stock.release_sweep.SWEEP_SECONDS", 0.001)
    monkeypatch.setattr(sweep, "run_once", run_once)
    with capture_logs() as logs:
        sweeping = asyncio.create_task(sweep.run())
        await went_on.wait()
        await asyncio.sleep(0)
        sweeping.cancel()
    assert [(log["event"], log["work"]) for log in logs] == [
        ("outage began", "backorder release"),
        ("outage ended", "backorder release"),
    ]
    assert logs[1]["errors"] == 20
