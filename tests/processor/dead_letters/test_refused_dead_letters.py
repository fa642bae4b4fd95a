"""Dead letters near and above what Kafka takes: each is written or kept, can be sent again, and holds nothing up."""

import os
import re
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec
from dead_letter_desk import listed, redriven, shown
from kafka_broker import config
from lost_clients import NOBODY, lose_first
from metrics_oracle import sums
from processor_servers import PARTITIONS, Analytics
from processor_world import World, created, history
from topic_config import shown as configured
from topic_config import topic_config
from waiting import PATIENCE_SECONDS, await_true

from faults.injection.stopped import stopped
from orders import create_topics
from processor.dead_letters import writer
from processor.dead_letters.contents import DeadLetterContent
from processor.dead_letters.writer import DeadLetterNotWritten, DeadLetterWriter
from processor.events import decode
from processor.events.batch import DeadLetter, place_of
from processor.events.event import Reason, Rejection
from runtime.kafka import clients, size_limits, topics
from runtime.kafka.access import OPERATOR
from runtime.postgres import connections
from runtime.telemetry import metrics
from stack.servers.kafka.broker import Kafka

DEAD_LETTER_TOPIC = topics.DEAD_LETTER_TOPICS[topics.ORDER_EVENTS]
KEY = b"k" * 36
# A batch of one record without headers: 61 bytes of the batch, 47 of the record with its key.
DEFAULT_LIMIT_BYTES = 1_048_588
LARGEST_BYTES = DEFAULT_LIMIT_BYTES - 61 - 47


def send_large(world: World, value: bytes, **properties: str) -> KafkaError | None:
    """Write one record as any producer may, and return what the broker says to it."""
    answers: list[KafkaError | None] = []
    own = {**config(world.settings), "message.max.bytes": 100_000_000, **properties}
    producer = Producer(own)
    producer.produce(topics.ORDER_EVENTS, value, KEY, on_delivery=lambda error, _: answers.append(error))
    assert producer.flush(PATIENCE_SECONDS) == 0
    return answers[0]


def only_dead_letter(world: World) -> DeadLetterContent:
    (entry,) = listed(world)
    return shown(world, entry.place)


def kept_in_kafka(world: World) -> list[bool]:
    return [there for (there,) in world.rows('SELECT dlq_topic IS NOT NULL FROM dead_letter ORDER BY "offset"')]


@pytest.mark.parametrize("size_bytes", [1_046_800, LARGEST_BYTES])
def test_a_record_as_large_as_its_topic_allows_becomes_a_dead_letter_and_is_redriven(
    world: World, size_bytes: int
) -> None:
    value = os.urandom(size_bytes)
    assert send_large(world, value) is None
    worker = world.worker()
    world.drain(worker)
    found = only_dead_letter(world)
    assert (found.key, found.value) == (KEY, value)
    assert redriven(world, found.entry.place) == [""]
    world.drain(worker)
    assert len(world.dead_letters()) == 2, "it came again"
    assert only_dead_letter(world).value == value
    assert kept_in_kafka(world) == [True, True]


def test_the_largest_record_is_one_byte_below_what_the_broker_refuses(world: World) -> None:
    error = send_large(world, os.urandom(LARGEST_BYTES + 1))
    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_a_record_that_fits_only_compressed_becomes_a_dead_letter_and_is_redriven(world: World) -> None:
    value = b"\xff" * 5_000_000
    assert send_large(world, value, **{"compression.type": "gzip"}) is None
    worker = world.worker()
    world.drain(worker)
    found = only_dead_letter(world)
    assert found.value == value
    assert redriven(world, found.entry.place) == [""]
    world.drain(worker)
    assert kept_in_kafka(world) == [True, True]


@pytest.mark.parametrize("limit", ["known", "lowered"])
def test_a_dead_letter_that_kafka_refuses_is_stored_and_its_partition_continues(
    world: World, broker: Kafka, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    good, large = history(20), created(1, schema_version=2, customer_id=os.urandom(4000).hex())
    worker = world.worker()
    if limit == "lowered":
        world.send_bytes(topics.ORDER_EVENTS, KEY, b"\xff")
        world.drain(worker)
    refused = metrics.DEAD_LETTERS_REJECTED._value.get()
    with topic_config(broker.client_settings(), DEAD_LETTER_TOPIC, max_message_bytes="3000"):
        for number in range(60):
            world._producer.produce(topics.ORDER_EVENTS, b"\xff" * 100 + str(number).encode(), KEY)
        world.send([large], {"kept": "too"})
        world.send(good)
        world.drain(worker)
    assert metrics.DEAD_LETTERS_REJECTED._value.get() == refused + 1
    assert world.metrics() == sums(good)
    assert kept_in_kafka(world).count(True) == 60 + (limit == "lowered")
    (place,) = world.rows('SELECT topic, partition, "offset" FROM dead_letter WHERE dlq_topic IS NULL')
    found = shown(world, place)
    assert (found.key, found.value) == (large.order_id.encode(), large.SerializeToString())
    assert found.headers == [("kept", b"too")]
    monkeypatch.setattr(decode, "SCHEMA_VERSION", 2)
    assert redriven(world, place) == [""]
    world.drain(worker)
    assert world.rows("SELECT count(*) FROM processed_events WHERE event_id = %s", large.event_id) == [(1,)]


def test_dead_letters_without_a_topic_are_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(topics.DEAD_LETTER_TOPICS, topics.ORDER_EVENTS, "not-there.dlq")
    good = history(5)
    world.send_bytes(topics.ORDER_EVENTS, None, None)
    world.send(good)
    world.drain(world.worker())
    found = only_dead_letter(world)
    assert (found.entry.reason, found.key, found.value, found.headers) == ("EMPTY", None, None, [])
    assert world.metrics() == sums(good)


def dead_letters_written(world: World) -> int:
    client = clients.admin(world.settings, "tests")
    places = {TopicPartition(DEAD_LETTER_TOPIC, partition): OffsetSpec.latest() for partition in range(PARTITIONS)}
    return sum(end.result().offset for end in client.list_offsets(places).values())


def test_a_dead_letter_that_kafka_does_not_acknowledge_is_waited_for_and_written_once(
    world: World, broker: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WRITE_SECONDS", 0.3)
    world.send_bytes(topics.ORDER_EVENTS, KEY, b"\xff")
    reader = world.worker()._reader
    while not (messages := reader.read(1, 0.1)):
        pass
    first = DeadLetter(messages[0], place_of(messages[0]), Rejection(Reason.UNDECODABLE, "bad"), [])
    second = replace(first, place=(topics.ORDER_EVENTS, 0, 1_000_000))
    dead_letters = DeadLetterWriter(world.settings, "tests")
    patiently(lambda: dead_letters.write([first]))
    before = dead_letters_written(world)
    assert broker.pid is not None
    with stopped(broker.pid), pytest.raises(DeadLetterNotWritten, match="1 events not acknowledged"):
        dead_letters.write([second])
    patiently(lambda: dead_letters.write([second]))
    assert second.dlq_offset is not None
    assert dead_letters_written(world) == before + 1


def test_a_producer_that_lost_kafka_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    led_to = lose_first(monkeypatch, "producer", seconds=1.0)
    monkeypatch.setattr(writer, "WRITE_SECONDS", 1.0)
    world.send_bytes(topics.ORDER_EVENTS, KEY, b"\xff")
    worker = world.worker()
    world.drain(worker)
    assert led_to[:2] == [NOBODY, world.settings.kafka_bootstrap]
    assert [reason for reason, _ in world.dead_letters()] == [Reason.UNDECODABLE]


def patiently(write: Callable[[], None]) -> None:
    """Write letters, as often as a worker would try."""
    while True:
        try:
            return write()
        except DeadLetterNotWritten:
            continue


def redrives(analytics: Analytics) -> int:
    """Return how many entries the audit log has of redriven dead letters."""
    with psycopg.connect(analytics.owner) as connection:
        found = connection.execute("SELECT count(*) FROM audit_log WHERE action = 'RedriveDeadLetters'").fetchone()
    assert found is not None
    return int(found[0])


def test_an_event_that_kafka_refuses_again_stays_a_dead_letter(
    world: World, analytics: Analytics, broker: Kafka
) -> None:
    send_large(world, os.urandom(9_000))
    world.drain(world.worker())
    found = only_dead_letter(world)
    before = redrives(analytics)
    with topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="100"):
        (problem,) = redriven(world, found.entry.place)
    assert "size too large" in problem
    assert only_dead_letter(world) == found
    assert redrives(analytics) == before


def test_writing_dead_letters_times_out_before_the_idle_transaction() -> None:
    options = connections.connection_options("tests")["options"]
    allowed_ms = int(re.search(r"idle_in_transaction_session_timeout=(\d+)", options)[1])  # type: ignore[index]
    waits = writer.RAW_HEADERS_SECONDS + writer.WRITE_SECONDS + size_limits.READ_SECONDS
    assert waits * 1000 <= allowed_ms * 0.8


@pytest.mark.parametrize(
    ("events_take", "dead_letters_take"), [(DEFAULT_LIMIT_BYTES, 2_097_176), (3_000_000, 6_000_000)]
)
def test_existing_dead_letter_topics_get_a_limit_above_that_of_events(
    broker: Kafka, events_take: int, dead_letters_take: int
) -> None:
    client = clients.admin(broker.client_settings(OPERATOR), "tests")
    events, letters = str(events_take), str(DEFAULT_LIMIT_BYTES)
    with (
        topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes=events),
        topic_config(broker.client_settings(), DEAD_LETTER_TOPIC, max_message_bytes=letters),
    ):
        assert create_topics.raise_dead_letter_limits(client)[:1] == [DEAD_LETTER_TOPIC]
        limit = size_limits.MAX_MESSAGE_BYTES
        await_true(lambda: configured(client, DEAD_LETTER_TOPIC)[limit] != letters, "the limit is raised")
        assert configured(client, DEAD_LETTER_TOPIC)[size_limits.MAX_MESSAGE_BYTES] == str(dead_letters_take)
        assert create_topics.raise_dead_letter_limits(client) == []
