"""Offsets on a real broker: gaps in the log, recreated topics, restored databases, groups whose offsets are wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from confluent_kafka.admin import ResourceType
from dead_letter_desk import listed, shown
from log_changes import Operator
from metrics_oracle import sums
from processor_servers import PARTITIONS, Analytics, running_broker
from processor_world import World, drive, history, restock
from structlog.testing import capture_logs

from cli.topics import tail
from cli.topics.topic_reader import Start as TailStart
from cli.topics.topic_reader import TopicReader
from processor.consume.poison_pills import MAX_CRASHES
from processor.dead_letters import inspection
from processor.dead_letters.contents import ContentMissing
from processor.events.resume_positions import Position, Start, start
from processor.worker import Worker
from runtime.kafka import topics
from runtime.kafka.offsets import NO_TOPIC, PartitionOffsets
from stack.machine.state_folder import StateFolder, temporary_home
from stack.servers.kafka.broker import Kafka

MISSING = "events missing from the log"
THIS, OTHER = UUID(int=1), UUID(int=2)
STATE_TABLES = ("processed_events", "sales_metrics", "partition_progress", "dead_letter")


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    """Run a broker of their own: other tests know places in its log for longer than these keep topics."""
    with temporary_home() as home:
        yield from running_broker(StateFolder(home))


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world, PARTITIONS)


def errors_until(until: Callable[[], bool], worker: Worker) -> list[dict[str, Any]]:
    """Drive a worker until something holds, and return the errors that it logged."""
    with capture_logs() as logs:
        drive(until, worker, what=lambda: str([line for line in logs if line["log_level"] != "info"]))
    return [dict(line) for line in logs if line["log_level"] == "error"]


def reached(world: World, operator: Operator) -> bool:
    """Tell whether database and group are at the ends of the log."""
    ends = {place: end for place, end in operator.ends().items() if end}
    positions = {
        (row[0], row[1]): row[2] for row in world.rows("SELECT topic, partition, next_offset FROM partition_progress")
    }
    committed = world.committed()
    return all(positions.get(place) == committed.get(place) == end for place, end in ends.items())


def test_markers_and_aborted_records_are_no_events_and_no_loss(world: World, operator: Operator) -> None:
    first, second, aborted = history(8), history(8), history(4)
    operator.transaction(first)
    operator.transaction(aborted, abort=True)
    worker = world.worker()
    assert errors_until(lambda: reached(world, operator), worker) == []
    operator.transaction(second)
    operator.transaction(aborted, aborted, abort=True)
    assert errors_until(lambda: reached(world, operator), worker) == []
    assert world.metrics() == sums([*first, *second])


def test_what_an_open_transaction_holds_back_is_counted_once_it_ends(world: World, operator: Operator) -> None:
    before, held, after = restock(), restock(), restock()
    world.send([before])
    producer = operator.transactional_producer()
    operator.begin(producer, [held])
    world.send([after])
    worker = world.worker()
    world.count_until(1, worker)
    producer.commit_transaction(20)
    assert errors_until(lambda: reached(world, operator), worker) == []
    assert world.metrics() == sums([before, held, after])


@pytest.fixture
def compacting(operator: Operator) -> Iterator[None]:
    """Have the topic of stock compacted at once."""
    topic = {"cleanup_policy": "compact", "segment_ms": "100", "min_cleanable_dirty_ratio": "0.01"}
    operator.configure(ResourceType.BROKER, "1", log_cleaner_backoff_ms="100")
    operator.configure(ResourceType.TOPIC, topics.STOCK, **topic)
    yield
    operator.configure(ResourceType.TOPIC, topics.STOCK, **dict.fromkeys(topic))
    operator.configure(ResourceType.BROKER, "1", log_cleaner_backoff_ms=None)


@pytest.mark.usefixtures("compacting")
def test_records_that_compaction_removed_are_no_loss(world: World, operator: Operator) -> None:
    place, begin = ("", 0), 0
    while not begin or operator.held(place) >= begin:
        # A segment ends with the first record that comes when it is old enough, and is compacted then.
        world.send([restock("p1")])
        place, begin = world.written(topics.STOCK)[0], world.written_records(topics.STOCK)
    assert errors_until(lambda: reached(world, operator), world.worker()) == []
    assert 0 < counted(world) < begin
    assert world.metrics() == {("restock_requests", ""): counted(world)}


def test_records_deleted_before_they_were_counted_are_logged(world: World, operator: Operator) -> None:
    worker = world.worker()
    world.send([restock("p1") for _ in range(5)])
    world.drain(worker)
    place, end = world.written(topics.STOCK)
    world.leave(worker)
    world.send([restock("p1") for _ in range(7)])
    operator.delete_records({place: end + 4})
    errors = errors_until(lambda: reached(world, operator), world.worker(1))
    assert [(line["event"], line["partition"], line["missing_events"]) for line in errors] == [(MISSING, place[1], 4)]


def test_records_deleted_while_a_worker_falls_behind_are_logged(world: World, operator: Operator) -> None:
    worker = world.worker()
    world.send([restock("p1") for _ in range(5)])
    world.drain(worker)
    place, end = world.written(topics.STOCK)
    # What it reads next is deleted before it asks for it.
    worker._reader._consumer.pause(worker._reader._consumer.assignment())
    world.send([restock("p1") for _ in range(7)])
    operator.delete_records({place: end + 4})
    worker._reader._consumer.resume(worker._reader._consumer.assignment())
    errors = errors_until(lambda: reached(world, operator), worker)
    assert [(line["event"], line["missing_events"]) for line in errors] == [(MISSING, 4)]


@pytest.mark.parametrize("protocol", ["auto", "classic"])
def test_partitions_lost_while_a_worker_waits_are_counted_when_it_has_them_again(world: World, protocol: str) -> None:
    worker = world.worker(kafka_group_protocol=protocol)
    world.settle(worker)
    reader = worker._reader
    before = len(reader.assignment.partitions)
    other = world.worker(1, kafka_group_protocol=protocol)

    def lost() -> bool:
        reader.wait(0.05)
        return len(reader.assignment.partitions) < before

    drive(lost, other)
    reader.end_wait()
    world.leave(other)
    world.send(history(20))
    world.drain(worker)


def test_deleting_what_was_counted_is_no_loss(world: World, operator: Operator) -> None:
    worker = world.worker()
    world.send(history(10))
    world.drain(worker)
    operator.delete_records(operator.ends())
    world.send(history(3))
    assert errors_until(lambda: reached(world, operator), worker) == []


@pytest.mark.parametrize("protocol", ["auto", "classic"])
@pytest.mark.parametrize("after", [2, 60])
def test_a_topic_recreated_under_a_worker_is_counted_from_its_first_event(
    world: World, operator: Operator, protocol: str, after: int
) -> None:
    first, second = history(20), history(after)
    worker = world.worker(kafka_group_protocol=protocol)
    world.send(first)
    world.drain(worker)
    operator.make_again(*topics.EVENT_TOPICS)
    world.send(second)
    errors = errors_until(lambda: counted(world) == len(first) + len(second) and reached(world, operator), worker)
    assert world.metrics() == sums([*first, *second])
    assert {line["event"] for line in errors} <= {"topic recreated: counting its events from the first"}
    assert errors


def test_crashes_by_records_of_a_deleted_topic_do_not_count_for_the_recreated_one(
    world: World, operator: Operator
) -> None:
    worker = world.worker()
    world.send([restock()])
    world.drain(worker)
    place, _ = world.written(topics.STOCK)
    for _ in range(MAX_CRASHES):
        world.rows(
            "INSERT INTO worker_crash (worker_id, topic, partition, first_offset, next_offset, records)"
            " VALUES ('host/7', %s, %s, 0, 1, 1) RETURNING topic",
            *place,
        )
    world.leave(worker)
    operator.make_again(topics.STOCK)
    world.send([restock()])
    world.count_until(2, world.worker(1))
    assert world.dead_letters() == []


def test_positions_and_dead_letters_without_topic_ids_are_taken_over(world: World, operator: Operator) -> None:
    worker = world.worker()
    world.send(history(5))
    world.send_bytes(topics.STOCK, b"k", b"\xff")
    drive(lambda: reached(world, operator), worker)
    world.leave(worker)
    for table in ("partition_progress", "dead_letter"):
        world.rows(f"UPDATE {table} SET topic_id = %s RETURNING topic", NO_TOPIC)
    # The record is read once more: it must not become another dead letter.
    world.commit({place: max(0, offset - 1) for place, offset in world.committed().items()})
    before = counted(world)
    world.send(history(1))
    after = before + len(history(1))
    drive(lambda: counted(world) == after and reached(world, operator), world.worker(1))
    assert len(world.dead_letters()) == 1
    ids = world.rows("SELECT topic_id FROM dead_letter UNION SELECT topic_id FROM partition_progress")
    assert (NO_TOPIC,) not in ids


def test_a_database_restored_under_a_connected_worker_is_counted_anew(world: World, analytics: Analytics) -> None:
    events, more = history(10), history(5)
    worker = world.worker()
    world.send(events)
    world.drain(worker)
    analytics.clear()
    world.send(more)
    world.count_until(len(events) + len(more), worker)
    assert world.metrics() == sums([*events, *more])


def test_the_latest_events_are_shown_also_where_offsets_before_the_end_hold_none(
    world: World, operator: Operator
) -> None:
    sent = [restock() for _ in range(9)]
    world.send(sent)
    operator.transaction([restock() for _ in range(30)], abort=True)
    for last in (1, 4, 9, 50):
        begin = TailStart(last=last)
        reader = TopicReader(world.settings, [topics.STOCK], begin)
        shown = list(tail.messages_from(reader, begin, follow=False))
        reader.close()
        assert sorted(one.value() for one in shown if one) == [event.SerializeToString() for event in sent[-last:]]


def test_dead_letters_of_the_same_place_in_two_topics_are_distinct(world: World, operator: Operator) -> None:
    worker = world.worker()
    # A member that joins while its topic is deleted waits for the next refresh of its metadata, minutes away.
    drive(lambda: set(worker._reader.assignment.partitions) >= world.beginnings(), worker)
    operator.make_again(topics.STOCK)
    world.send_bytes(topics.STOCK, b"k", b"\xffold")
    drive(lambda: len(world.dead_letters()) == 1, worker)
    operator.make_again(topics.STOCK)
    world.send_bytes(topics.STOCK, b"k", b"\xffnew")
    drive(lambda: len(world.dead_letters()) == 2, worker)
    older, newer = listed(world)
    assert newer.place[:3] == older.place[:3]
    values = [shown(world, inspection.parse_place(one.name)).value for one in (newer, older)]
    assert values == [b"\xffnew", b"\xffold"]


def test_a_dead_letter_is_not_confused_with_one_of_a_recreated_topic(world: World, operator: Operator) -> None:
    worker = world.worker()
    world.send_bytes(topics.STOCK, b"k", b"\xffone")
    drive(lambda: len(world.dead_letters()) == 1, worker)
    operator.make_again(topics.STOCK_DLQ)
    world.send_bytes(topics.STOCK, b"k", b"\xfftwo")
    drive(lambda: len(world.dead_letters()) == 2, worker)
    older, newer = listed(world)
    assert shown(world, newer.place).value == b"\xfftwo"
    with pytest.raises(ContentMissing):
        shown(world, older.place)


def counted(world: World) -> int:
    """Count the events that are counted."""
    (found,) = world.rows("SELECT count(*) FROM processed_events")[0]
    return int(found)


class Saved:
    """States of the analytics database, as dumps have them."""

    def __init__(self, analytics: Analytics) -> None:
        self._analytics = analytics

    def save(self, name: str) -> None:
        """Keep what the tables hold."""
        with psycopg.connect(self._analytics.owner) as connection:
            for table in STATE_TABLES:
                connection.execute(f"CREATE TABLE saved_{name}_{table} AS TABLE {table}")

    def restore(self, name: str) -> None:
        """Put back what the tables held; nothing for `empty`."""
        self._analytics.clear()
        with psycopg.connect(self._analytics.owner) as connection:
            for table in STATE_TABLES if name != "empty" else ():
                connection.execute(f"INSERT INTO {table} TABLE saved_{name}_{table}")

    def drop(self) -> None:
        """Drop what was kept."""
        with psycopg.connect(self._analytics.owner) as connection:
            for name, table in itertools.product(("older", "current"), STATE_TABLES):
                connection.execute(f"DROP TABLE saved_{name}_{table}")


@pytest.fixture
def saved(analytics: Analytics) -> Iterator[Saved]:
    made = Saved(analytics)
    yield made
    made.drop()


@pytest.mark.parametrize("made_again", [False, True], ids=["the same topic", "a topic made again"])
def test_every_event_in_kafka_is_counted_once_whatever_state_database_and_group_are_in(
    world: World, operator: Operator, saved: Saved, made_again: bool
) -> None:
    old, newer = history(10), history(10)
    worker = world.worker()
    world.send(old)
    world.drain(worker)
    saved.save("older")
    world.send(newer)
    world.drain(worker)
    saved.save("current")
    world.leave(worker)
    in_database = {"current": [*old, *newer], "older": old, "empty": []}
    in_kafka = [*old, *newer]
    if made_again:
        operator.make_again(*topics.EVENT_TOPICS)
        in_kafka = history(15)
        world.send(in_kafka)
    stale = world.committed()
    for number, (database, group) in enumerate(itertools.product(in_database, ("current", "lost", "ahead", "beyond"))):
        more = history(1)
        world.send(more)
        in_kafka = [*in_kafka, *more]
        saved.restore(database)
        world.settings = world.settings.model_copy(
            update={"processor_group": f"{world.settings.processor_group}.{number}"}
        )
        offsets = {"current": stale, "lost": {}, "ahead": operator.ends()}
        offsets["beyond"] = {place: end + 100 for place, end in operator.ends().items()}
        world.commit(offsets[group])
        expected = [*in_database[database], *in_kafka]
        worker = world.worker(kafka_group_protocol="classic")
        world.count_until(len({event.event_id for event in expected}), worker)
        assert world.metrics() == sums(expected), (database, group)
        world.leave(worker)


@pytest.mark.parametrize(
    ("recorded", "committed", "begin", "position", "missing"),
    [
        (None, None, 10, 10, 0),
        (None, 50, 10, 10, 10),
        (Position(THIS, 40), 40, 40, 40, 0),
        (Position(THIS, 40), None, 40, 40, 0),
        (Position(THIS, 40), 70, 40, 40, 0),
        (Position(THIS, 40), 20, 20, 40, 0),
        (Position(THIS, 40), 0, 10, 40, 0),
        (Position(THIS, 4), 4, 10, 10, 6),
        (Position(THIS, 100), 100, 100, 100, 0),
        (Position(THIS, 101), 101, 10, 10, 0),
        (Position(OTHER, 40), 40, 10, 10, 10),
        (Position(NO_TOPIC, 40), 40, 40, 40, 0),
        (Position(NO_TOPIC, 40), 30, 30, 30, 0),
        (Position(NO_TOPIC, 40), 90, 40, 40, 0),
        (Position(NO_TOPIC, 40), None, 10, 10, 10),
        (Position(NO_TOPIC, 101), 101, 10, 10, 0),
    ],
)
def test_counting_continues_at_the_position_of_the_database_unless_the_log_was_replaced(
    recorded: Position | None, committed: int | None, begin: int, position: int, missing: int
) -> None:
    found = start(recorded, PartitionOffsets(THIS, 10, 100), committed)
    assert found == Start(Position(THIS, begin), Position(THIS, position), recorded, missing)
