"""Poison pills: detected and rejected, on whichever worker their partition is."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Message
from crashing_worker import FATAL
from dead_letter_desk import shown
from kafka_broker import environment
from log_changes import Operator
from metrics_oracle import sums
from processor_servers import PARTITIONS
from processor_world import World, created, restock
from raw_producer import Record, produce

from processor.consume.poison_pills import PoisonPillDetector, Suspects
from runtime.kafka import topics
from stack.machine import ports

ROOT = Path(__file__).parents[3]
SUPERVISOR = """
from runtime.process.process_supervisor import ProcessSupervisor
ProcessSupervisor(("crashing_worker",), 1, metrics_address="{}", grace_seconds=9).run()
"""


@contextmanager
def supervisor(world: World, logged: list[str]) -> Iterator[None]:
    """Run a supervisor of one worker; afterwards `logged` has what they logged."""
    address = f"127.0.0.1:{ports.allocate(1)[0]}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")}
    env |= {
        "PYTHONPATH": f"{ROOT}:{Path(__file__).parents[1]}",
        "ORDERMESH_ANALYTICS_DSN": world.settings.analytics_dsn.get_secret_value(),
        **environment(world.worker_settings),
        "ORDERMESH_PROCESSOR_GROUP": world.settings.processor_group,
        "ORDERMESH_METRICS_ADDRESS": address,
    }
    command = [sys.executable, "-c", SUPERVISOR.format(address)]
    made = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        made.terminate()
        logged += made.communicate()[0].splitlines()


@pytest.mark.more
@pytest.mark.timeout(240)
def test_a_record_that_crashed_three_workers_is_rejected_and_its_neighbours_are_counted(world: World) -> None:
    good = [created() for _ in range(200)]
    records = [Record(event.order_id.encode(), event.SerializeToString()) for event in good]
    fatal = Record(b"key", FATAL, ((b"name", b"\xff"),))
    first = produce(world.settings, topics.ORDER_EVENTS, 3, [*records[:120], fatal, *records[120:]])
    logged: list[str] = []
    deadline = time.monotonic() + 150
    with supervisor(world, logged), supervisor(world, logged):
        # Each time the group waits until the member that ended is missed.
        while not world.counted_all():
            assert time.monotonic() < deadline, "the log was not read in time"
            threading.Event().wait(0.2)
    assert len([line for line in logged if "child ended" in line]) == 3
    assert world.metrics() == sums(good)
    (dead_letter,) = world.rows("SELECT reason, detail FROM dead_letter")
    assert dead_letter == ("CRASHED_WORKER", "3 workers crashed with this record in flight")
    content = shown(world, (topics.ORDER_EVENTS, 3, first + 120))
    assert (content.key, content.value, content.headers) == (b"key", FATAL, [("name", b"\xff")])


@dataclass(frozen=True)
class At:
    """A message at an offset."""

    number: int

    def topic(self) -> str:
        """Return the topic."""
        return "order-events"

    def partition(self) -> int:
        """Return the partition."""
        return 3

    def offset(self) -> int:
        """Return the offset."""
        return self.number


def detector(*crashes: Suspects) -> PoisonPillDetector:
    """Return a detector that knows these crashes."""
    made = PoisonPillDetector()
    made._suspects = {("order-events", 3): list(crashes)}
    return made


ALL = [At(offset) for offset in range(100, 400)]
BATCH, FEW, ALONE = Suspects(150, 2_150, 2_000), Suspects(150, 200, 50), Suspects(170, 171, 1)


@pytest.mark.parametrize(
    ("crashes", "first", "together"),
    [
        ([], 100, 300),
        ([BATCH], 100, 50),
        ([BATCH], 150, 50),
        ([BATCH, BATCH, BATCH], 150, 50),
        ([BATCH, FEW], 150, 1),
        ([BATCH, FEW, ALONE], 171, 1),
        ([BATCH, FEW], 200, 50),
    ],
)
def test_each_crash_narrows_down_how_many_suspects_are_counted_together(
    crashes: list[Suspects], first: int, together: int
) -> None:
    assert len(detector(*crashes).first_batch(ALL[first - 100 :])) == together  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("crashes", "counted"),
    [([BATCH, FEW], 0), ([BATCH, ALONE], 0), ([BATCH, BATCH, FEW], 0), ([BATCH, FEW, ALONE], 3), ([ALONE] * 4, 4)],
)
def test_a_record_is_a_poison_pill_after_three_crashes_one_of_which_had_it_alone_in_flight(
    crashes: list[Suspects], counted: int
) -> None:
    assert detector(*crashes).crashes_by(At(170)) == counted  # type: ignore[arg-type]
    assert detector(*crashes).crashes_by(At(169)) == 0  # type: ignore[arg-type]


def test_a_clean_shutdown_leaves_nothing_suspect(world: World) -> None:
    events = [created() for _ in range(10)]
    world.send(events)
    worker = world.worker()
    world.drain(worker)
    worker._stop.set()
    worker.run()
    world._workers.remove(worker)
    assert world.rows("SELECT * FROM worker_heartbeat") == []
    world.send(more := [created() for _ in range(10)])
    world.drain(world.worker())
    assert world.metrics() == sums([*events, *more])
    assert world.rows("SELECT * FROM worker_crash") == []


def test_a_worker_that_ends_by_an_exception_leaves_its_assignment_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send([created()])
    worker = world.worker()
    world.drain(worker)
    monkeypatch.setattr(worker, "run_once", lambda: {}["unforeseen"])
    with pytest.raises(KeyError):
        worker.run()
    world._workers.remove(worker)
    assert world.rows("SELECT jsonb_array_length(assigned) FROM worker_heartbeat") == [(24,)]


def test_what_a_killed_worker_had_in_flight_is_counted_by_the_next_and_no_longer_suspect(world: World) -> None:
    events = [created() for _ in range(300)]
    world.send(events[:100])
    killed = world.worker()
    world.drain(killed)
    world.leave(killed)
    world.send(events[100:])
    again = world.worker()
    world.drain(again)
    assert world.metrics() == sums(events)
    assert world.rows("SELECT count(*) FROM worker_crash") == [(24,)]
    assert world.dead_letters() == []


def test_suspects_are_not_taken_for_gaps_in_the_log(world: World) -> None:
    operator = Operator(world, PARTITIONS)
    world.send([created()])
    killed = world.worker()
    world.drain(killed)
    world.leave(killed)
    worker, read = world.worker(), list[Message]()
    world.send([created()])
    world.drain(worker)
    events = [restock() for _ in range(120)]
    operator.transaction(events)
    operator.transaction([restock() for _ in range(5)], abort=True)
    while len(read) < len(events) or not worker._reader.assignment.has_empty_tail:
        read += worker._reader.read(1_000, 0.2)
    worker.count(read)
    world.drain(worker)
    assert world.rows("SELECT count(*) FROM processed_events WHERE type >= 16") == [(len(events),)]
