"""Many records that cannot be counted: they hold nobody up, and a partition of little else is paused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from dead_letter_desk import ORIGIN, served
from metrics_oracle import sums
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.internal.v1.dead_letter_source_pb2 import ResumePausedRequest, SummarizeSourceRequest
from processor_servers import Analytics
from processor_world import World, created, drive
from raw_producer import Record, produce

from cli.pipeline.dead_letter_text import pause_line
from processor.consume import pauses
from processor.consume.pauses import Pause, RecentRecords
from processor.counting import progress
from runtime.kafka import topics
from runtime.telemetry import metrics

BAD = Record(b"key", b"\xff")


def write(world: World, partition: int, records: Sequence[Record]) -> None:
    """Write records to a partition of the events of orders."""
    produce(world.settings, topics.ORDER_EVENTS, partition, records)


def good(events: Sequence[OrderEvent]) -> list[Record]:
    """Return events as records."""
    return [Record(event.order_id.encode(), event.SerializeToString()) for event in events]


@contextmanager
def database(world: World) -> Iterator[psycopg.Connection]:
    """Connect as the operator's command does."""
    with progress.connect(world.settings.analytics_dsn.get_secret_value()) as connection:
        yield connection


def resume(world: World, analytics: Analytics, *partitions: str) -> list[str]:
    """Resume partitions as the desk does."""
    with served(world, analytics.reader) as (_, desk):
        request = ResumePausedRequest(partitions=partitions, origin=ORIGIN)
        return list(desk.ResumePaused(request, None).partitions)  # type: ignore[arg-type]


def paused(world: World) -> list[Pause]:
    """Return what is paused."""
    with database(world) as connection:
        return pauses.pauses(connection)


def resumed(analytics: Analytics) -> list[tuple[object, ...]]:
    """Return what the audit log has of resumed partitions; it keeps the entries of earlier tests."""
    query = "SELECT role, target, before, after FROM audit_log WHERE action = 'ResumePartitions' ORDER BY id"
    with psycopg.connect(analytics.owner) as connection:
        return connection.execute(query).fetchall()


def test_twenty_thousand_bad_records_do_not_delay_good_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [created() for _ in range(240)]
    for number, event in enumerate(events):
        write(world, number % 12, [*good([event]), *[BAD] * (250 if number % 12 < 4 else 0)])
    worker = world.worker()
    monkeypatch.setattr(worker._reader, "wait", lambda seconds: pytest.fail("the worker waits"))
    # As many as it takes to read all, with some to spare for those that a fetch does not fill.
    assert drive(world.counted_all, worker) <= 100
    assert world.metrics() == sums(events)
    assert world.rows("SELECT count(*), count(DISTINCT dlq_offset) > 1 FROM dead_letter") == [(20_000, True)]
    assert paused(world) == []


def test_a_partition_of_mostly_bad_records_is_paused_alone_until_it_is_released(
    world: World, analytics: Analytics
) -> None:
    others, behind = [created() for _ in range(300)], [created() for _ in range(300)]
    write(world, 0, [*[BAD] * 1_000, *good(behind)])
    worker = world.worker(
        processor_batch_events=50, processor_pause_window_records=100, processor_pause_probe_seconds=3_600.0
    )
    drive(lambda: paused(world), worker)
    for partition in range(1, 7):
        write(world, partition, good(others[partition - 1 :: 6]))
    drive(lambda: world.metrics() == sums(others), worker)
    (pause,) = paused(world)
    assert (pause.name, pause.bad, pause.released_at) == ("order-events/0", 100, None)
    assert 100 <= len(world.dead_letters()) < 1_000
    drive(lambda: metrics.PAUSED_PARTITIONS._value.get() == 1, worker)
    with served(world, analytics.reader) as (desk, _):
        (told,) = desk.SummarizeSource(SummarizeSourceRequest(), None).paused_partitions  # type: ignore[arg-type]
    assert pause_line(told).startswith("order-events/0 is paused since")
    assert resume(world, analytics, "order-events/1") == []
    assert "order-events/1" not in [target for _, target, *_ in resumed(analytics)]
    recorded = resumed(analytics)
    assert resume(world, analytics) == ["order-events/0"]
    assert resumed(analytics) == [*recorded, ("operator", "order-events/0", {"paused": True}, {"paused": False})]
    world.drain(worker)
    assert len(world.dead_letters()) == 1_000
    assert world.metrics() == sums([*others, *behind])
    assert paused(world) == []


def test_a_paused_partition_that_was_away_is_paused_again_after_the_first_batch(world: World) -> None:
    write(world, 0, [BAD] * 1_000)
    changes = {
        "processor_batch_events": 50,
        "processor_pause_window_records": 100,
        "processor_pause_probe_seconds": 3_600.0,
        # All partitions are taken away, and given again, when a member comes or goes.
        "kafka_group_protocol": "classic",
    }
    worker = world.worker(**changes)
    drive(lambda: paused(world), worker)
    other = world.worker(1, **changes)
    drive(lambda: other._assignment.partitions, worker, other)
    world.leave(other)
    drive(lambda: worker._assignment.partitions == world.beginnings(), worker)
    events = [created() for _ in range(300)]
    for partition in range(1, 7):
        write(world, partition, good(events[partition - 1 :: 6]))
    drive(lambda: world.metrics() == sums(events), worker)
    # A batch for each time that it was given, to whom it was.
    assert len(world.dead_letters()) <= 300


def test_a_paused_partition_resumes_by_itself_once_most_of_it_is_good_again(world: World) -> None:
    behind = [created() for _ in range(400)]
    write(world, 0, [*[BAD] * 400, *good(behind)])
    changes = {
        "processor_batch_events": 50,
        "processor_pause_window_records": 100,
        "processor_pause_probe_seconds": 0.1,
    }
    worker = world.worker(**changes)
    drive(lambda: paused(world), worker)
    first_dead_letters = len(world.dead_letters())
    world.leave(worker)
    world.drain(world.worker(1, **changes))
    assert first_dead_letters < len(world.dead_letters()) == 400
    assert world.metrics() == sums(behind)
    assert paused(world) == []


def test_recent_records_are_the_latest_ones() -> None:
    window = RecentRecords(100)
    for records, bad in ((60, 60), (30, 0)):
        window.add(records, bad)
    assert not window.full
    window.add(50, 10)
    assert (window.full, window.records, window.bad) == (True, 140, 70)
    window.add(30, 0)
    assert (window.full, window.records, window.bad) == (True, 110, 10)
