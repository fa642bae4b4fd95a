"""The publisher with a real broker that rejects a batch, a record, or the timestamps of records."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, Message
from dead_event_desk import listed, redriven
from kafka_broker import with_properties
from outbox_world import UNSENT, drain, event, in_shard, insert, order_ids, publishing, sequences, status
from topic_config import topic_config

from orders.outbox.publisher import Publisher
from orders.outbox.sender import KafkaUnavailable, Sender
from orders.outbox.unsent_event import UnsentEvent, one_per_order
from orders.settings import PublisherSettings
from runtime.kafka import size_limits, topics
from runtime.kafka.delivery import Outbound
from runtime.kafka.errors import ABOUT_ACCESS, ABOUT_RECORDS
from stack.servers.kafka.broker import Kafka

ORDERS = 400
STATUSES = "SELECT status::text, count(*) FROM event_outbox GROUP BY 1"
Log = Callable[[], list[Message]]


def fill(writer: psycopg.Connection, orders: list[str], steps: int = 3) -> None:
    """Insert events of orders, one event of each order after another."""
    with writer.pipeline(), writer.transaction():
        for sequence in range(1, steps + 1):
            for order_id in orders:
                writer.execute(*insert_statement(order_id, sequence))


def insert_statement(order_id: str, sequence: int) -> tuple[Any, ...]:
    made = event(order_id, sequence)
    query = """
        INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload)
        VALUES (%s, %s, now(), %s, %s, %s, %s)
    """
    return query, (made.shard, int(made.event_type), made.event_id, made.key, made.traceparent, made.payload)


def publish_all(publisher: Publisher) -> None:
    """Publish all publishable events, also on a busy machine."""
    while True:
        try:
            return drain(publisher)
        except KafkaUnavailable:
            continue


def arrived(log: Log) -> dict[str, list[int]]:
    """Return the sequences of each order in the log, without duplicates."""
    found: dict[str, list[int]] = {}
    for message in log():
        key = message.key().decode()
        known = found.setdefault(key, [])
        known += [sequence for sequence in sequences([message], key) if sequence not in known]
    return found


def in_order(log: Log, orders: list[str], steps: int = 3) -> bool:
    return arrived(log) == {order_id: list(range(1, steps + 1)) for order_id in orders}


def test_batches_stay_below_the_size_limit_of_the_topic(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    fill(writer, orders)
    with (
        topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="10000"),
        publishing(settings) as each,
    ):
        publish_all(each)
        assert each._sender._singles is None, "a batch was refused"
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def test_after_a_limit_was_lowered_only_events_above_it_are_dead(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    with publishing(settings) as publisher:
        publish_all(publisher)
        with topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="2000"):
            fill(writer, orders)
            publish_all(publisher)
            assert publisher._sender._batch_size.max_bytes == 2000
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def test_a_publisher_that_may_not_read_the_limit_finds_a_batch_size_that_fits(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> dict[str, int]:
        raise PermissionError("this user may not read max.message.bytes")

    monkeypatch.setattr(size_limits, "read_limits", denied)
    orders = order_ids(ORDERS)
    with (
        topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="2000"),
        publishing(settings) as each,
    ):
        fill(writer, orders)
        publish_all(each)
        assert each._sender._batch_size.max_bytes < size_limits.DEFAULT_BATCH_BYTES
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


@pytest.mark.parametrize("limit", ["known", "lowered"])
def test_only_an_event_rejected_alone_is_dead_and_its_order_waits(
    settings: PublisherSettings, orders_dsn: str, broker: Kafka, writer: psycopg.Connection, log: Log, limit: str
) -> None:
    big, *others = in_shard(3, 40)
    with publishing(settings) as publisher:
        if limit == "lowered":
            publish_all(publisher)
        with topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="10000"):
            fill(writer, others, 1)
            ids = insert(writer, event(big, 1), event(big, 2, 12_000), event(big, 3))
            fill(writer, others, 3)
            publish_all(publisher)
            assert status(writer, *ids) == ["SENT", "DEAD", "NEW"]
            assert writer.execute(STATUSES + " ORDER BY 1").fetchall() == [
                ("DEAD", 1), ("NEW", 1), ("SENT", 1 + 4 * len(others)),
            ]  # fmt: skip
            assert arrived(log) == {big: [1]} | {order_id: [1, 2, 3] for order_id in others}
            (dead,) = listed(orders_dsn)
            assert "size too large" in dead.cause
            assert "the topic allows 10,000" in dead.cause
        assert redriven(orders_dsn, [ids[1]]) == [ids[1]]
        publish_all(publisher)
    assert sequences(log(), big) == [1, 2, 3]


def test_other_events_of_a_batch_with_an_invalid_record_are_sent_in_order(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compacted topic rejects a record without a key, and its whole batch."""
    orders = order_ids(ORDERS)
    bad = orders[7]
    put = Sender._put

    def without_key(sender: Sender, producer: Outbound[int], each: UnsentEvent) -> bool:
        return put(sender, producer, each._replace(key=None) if each.key == bad else each)  # type: ignore[arg-type]

    monkeypatch.setattr(Sender, "_put", without_key)
    with (
        topic_config(broker.client_settings(), topics.ORDER_EVENTS, cleanup_policy="compact"),
        publishing(settings) as each,
    ):
        fill(writer, orders)
        publish_all(each)
    dead = writer.execute("SELECT key, cause FROM event_outbox WHERE status = 'DEAD'").fetchall()
    assert [key for key, _ in dead] == [bad]
    assert writer.execute(STATUSES + " ORDER BY 1").fetchall() == [("DEAD", 1), ("NEW", 2), ("SENT", 3 * ORDERS - 3)]
    assert in_order(log, [order_id for order_id in orders if order_id != bad])


def test_a_timestamp_that_the_broker_rejects_makes_no_event_dead(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(20)
    fill(writer, orders)
    with publishing(settings) as publisher:
        with topic_config(broker.client_settings(), topics.ORDER_EVENTS, message_timestamp_before_max_ms="0"):
            with pytest.raises(KafkaUnavailable, match="INVALID_TIMESTAMP"):
                drain(publisher)
            assert writer.execute("SELECT count(*) FROM event_outbox WHERE status = 'DEAD'").fetchone() == (0,)
        drain(publisher)
    assert in_order(log, orders)


def test_a_full_queue_of_the_client_is_drained_and_filled_again(
    settings: PublisherSettings, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    fill(writer, orders)
    narrow = with_properties(settings, queue_buffering_max_messages="10")
    with publishing(narrow) as publisher:
        drain(publisher)
    assert in_order(log, orders)


def test_a_full_queue_that_is_not_drained_in_time_is_an_outage(
    settings: PublisherSettings, writer: psycopg.Connection
) -> None:
    fill(writer, order_ids(40), 1)
    away = with_properties(settings, queue_buffering_max_messages="10", bootstrap_servers="127.0.0.1:1")
    impatient = away.model_copy(update={"publisher_ack_seconds": 0.001})
    with (
        publishing(impatient) as publisher,
        pytest.raises(KafkaUnavailable, match=r"\d+ events not acknowledged") as told,
    ):
        publisher.run_once()
    # The client's limit of its queue is not exact.
    assert 10 <= int(str(told.value).split()[0]) < 40
    assert writer.execute(UNSENT).fetchone() == (40,)


def test_after_a_fatal_error_a_new_client_sends_all_events(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    """For example a gap between batches, when the client is configured to report it."""
    orders = order_ids(ORDERS)
    strict = with_properties(settings, enable_gapless_guarantee="true")
    with publishing(strict) as publisher:
        drain(publisher)
        with topic_config(broker.client_settings(), topics.ORDER_EVENTS, max_message_bytes="2000"):
            fill(writer, orders)
            with pytest.raises(KafkaUnavailable, match="not acknowledged"):
                drain(publisher)
        drain(publisher)
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def waiting_event(number: int, key: str, event_type: int = 1) -> UnsentEvent:
    return UnsentEvent(number, 0, event_type, key, b"", "", 0)


def test_an_order_has_one_event_in_flight() -> None:
    a1, b1, a2, a3, b2 = (waiting_event(n, key) for n, key in enumerate(("a", "b", "a", "a", "b")))
    assert one_per_order([a1, b1, a2, a3, b2]) == ([a1, b1], [a2, a3, b2])
    asked = [waiting_event(n, "p1", topics.FIRST_STOCK_TYPE) for n in range(3)]
    assert one_per_order(asked) == (asked, [])


def test_errors_of_the_cluster_are_not_errors_of_a_record() -> None:
    """Retriable errors are about the cluster, and so are wrong timestamps."""
    assert not ABOUT_RECORDS.keys() & ABOUT_ACCESS.keys()
    broken_cluster = {
        KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT, KafkaError._PURGE_QUEUE, KafkaError._FATAL,
        KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }  # fmt: skip
    assert not broken_cluster & (ABOUT_RECORDS.keys() | ABOUT_ACCESS.keys())
