"""What the publisher does when a real broker refuses: a batch, a record, all records of a time."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, Message
from outbox_world import UNSENT, drain, event, in_shard, insert, order_ids, publishing, sequences, status
from topic_config import topic_config

from orders.outbox import admin
from orders.outbox.publisher import Publisher
from orders.outbox.sender import KafkaUnavailable, Sender
from orders.outbox.unsent_event import UnsentEvent, one_per_order
from orders.settings import PublisherSettings
from runtime.kafka import size_limits, topics
from runtime.kafka.delivery import Outbound
from runtime.kafka.errors import ABOUT_ACCESS, ABOUT_RECORDS
from stack.servers.kafka import Kafka

ORDERS = 400
STATUSES = "SELECT status::text, count(*) FROM event_outbox GROUP BY 1"
Log = Callable[[], list[Message]]


def fill(writer: psycopg.Connection, orders: list[str], steps: int = 3) -> None:
    """Give each order its events, in the outbox's order one step after the other."""
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
    """Publish all that may be published, also when a busy machine takes its time."""
    while True:
        try:
            return drain(publisher)
        except KafkaUnavailable:
            continue


def arrived(log: Log) -> dict[str, list[int]]:
    """The sequences of each order in the log, each at its first arrival."""
    found: dict[str, list[int]] = {}
    for message in log():
        key = message.key().decode()
        known = found.setdefault(key, [])
        known += [sequence for sequence in sequences([message], key) if sequence not in known]
    return found


def in_order(log: Log, orders: list[str], steps: int = 3) -> bool:
    return arrived(log) == {order_id: list(range(1, steps + 1)) for order_id in orders}


def test_batches_stay_below_the_limit_that_the_topic_has(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    fill(writer, orders)
    with topic_config(broker.bootstrap, topics.ORDER_EVENTS, max_message_bytes="10000"), publishing(settings) as each:
        publish_all(each)
        assert each._sender._singles is None, "a batch was refused"
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def test_a_limit_that_is_lowered_while_a_publisher_runs_kills_no_event_that_it_allows(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    with publishing(settings) as publisher:
        publish_all(publisher)
        with topic_config(broker.bootstrap, topics.ORDER_EVENTS, max_message_bytes="2000"):
            fill(writer, orders)
            publish_all(publisher)
            assert publisher._sender._batch_size.max_bytes == 2000
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def test_a_publisher_that_may_not_read_the_limit_loses_no_event_and_finds_a_size_that_fits(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> dict[str, int]:
        raise PermissionError("this user may not read max.message.bytes")

    monkeypatch.setattr(size_limits, "read_limits", denied)
    orders = order_ids(ORDERS)
    with topic_config(broker.bootstrap, topics.ORDER_EVENTS, max_message_bytes="2000"), publishing(settings) as each:
        fill(writer, orders)
        publish_all(each)
        assert each._sender._batch_size.max_bytes < size_limits.DEFAULT_BATCH_BYTES
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


@pytest.mark.parametrize("limit", ["known", "lowered"])
def test_only_the_event_that_is_refused_alone_is_dead_and_nothing_of_its_order_leaves_before_it(
    settings: PublisherSettings, publisher_dsn: str, broker: Kafka, writer: psycopg.Connection, log: Log, limit: str
) -> None:
    big, *others = in_shard(3, 40)
    with publishing(settings) as publisher:
        if limit == "lowered":
            publish_all(publisher)
        with topic_config(broker.bootstrap, topics.ORDER_EVENTS, max_message_bytes="10000"):
            fill(writer, others, 1)
            ids = insert(writer, event(big, 1), event(big, 2, 12_000), event(big, 3))
            fill(writer, others, 3)
            publish_all(publisher)
            assert status(writer, *ids) == ["SENT", "DEAD", "NEW"]
            assert writer.execute(STATUSES + " ORDER BY 1").fetchall() == [
                ("DEAD", 1), ("NEW", 1), ("SENT", 1 + 4 * len(others)),
            ]  # fmt: skip
            assert arrived(log) == {big: [1]} | {order_id: [1, 2, 3] for order_id in others}
            (dead,) = admin.list_events(publisher_dsn, ["DEAD"], 10)
            assert "size too large" in dead.cause
            assert "the topic takes 10,000" in dead.cause
        assert admin.retry(publisher_dsn, [ids[1]]) == [ids[1]]
        publish_all(publisher)
    assert sequences(log(), big) == [1, 2, 3]


def test_the_neighbours_of_an_invalid_record_are_sent_and_in_order(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compacted topic refuses a record without a key, and the batch that it is in."""
    orders = order_ids(ORDERS)
    bad = orders[7]
    put = Sender._put

    def without_key(sender: Sender, producer: Outbound[int], each: UnsentEvent) -> bool:
        return put(sender, producer, each._replace(key=None) if each.key == bad else each)  # type: ignore[arg-type]

    monkeypatch.setattr(Sender, "_put", without_key)
    with topic_config(broker.bootstrap, topics.ORDER_EVENTS, cleanup_policy="compact"), publishing(settings) as each:
        fill(writer, orders)
        publish_all(each)
    dead = writer.execute("SELECT key, cause FROM event_outbox WHERE status = 'DEAD'").fetchall()
    assert [key for key, _ in dead] == [bad]
    assert writer.execute(STATUSES + " ORDER BY 1").fetchall() == [("DEAD", 1), ("NEW", 2), ("SENT", 3 * ORDERS - 3)]
    assert in_order(log, [order_id for order_id in orders if order_id != bad])


def test_a_time_that_the_broker_refuses_is_the_clocks_fault_and_kills_no_event(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(20)
    fill(writer, orders)
    with publishing(settings) as publisher:
        with topic_config(broker.bootstrap, topics.ORDER_EVENTS, message_timestamp_before_max_ms="0"):
            with pytest.raises(KafkaUnavailable, match="INVALID_TIMESTAMP"):
                drain(publisher)
            assert writer.execute("SELECT count(*) FROM event_outbox WHERE status = 'DEAD'").fetchone() == (0,)
        drain(publisher)
    assert in_order(log, orders)


def test_a_full_queue_of_the_client_is_emptied_and_filled_again(
    settings: PublisherSettings, writer: psycopg.Connection, log: Log
) -> None:
    orders = order_ids(ORDERS)
    fill(writer, orders)
    narrow = settings.model_copy(update={"kafka_properties": {"queue.buffering.max.messages": "10"}})
    with publishing(narrow) as publisher:
        drain(publisher)
    assert in_order(log, orders)


def test_a_full_queue_that_is_not_emptied_in_time_is_an_outage(
    settings: PublisherSettings, writer: psycopg.Connection
) -> None:
    fill(writer, order_ids(40), 1)
    away = {"queue.buffering.max.messages": "10", "bootstrap.servers": "127.0.0.1:1"}
    impatient = settings.model_copy(update={"publisher_ack_seconds": 0.001, "kafka_properties": away})
    with (
        publishing(impatient) as publisher,
        pytest.raises(KafkaUnavailable, match=r"\d+ events not acknowledged") as told,
    ):
        publisher.run_once()
    # The client's bound on its queue is not exact.
    assert 10 <= int(str(told.value).split()[0]) < 40
    assert writer.execute(UNSENT).fetchone() == (40,)


def test_a_fatal_error_of_the_client_costs_a_new_client_and_no_event(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Log
) -> None:
    """Such as a batch that is missing between two others, when the client is to tell of that."""
    orders = order_ids(ORDERS)
    strict = settings.model_copy(update={"kafka_properties": {"enable.gapless.guarantee": "true"}})
    with publishing(strict) as publisher:
        drain(publisher)
        with topic_config(broker.bootstrap, topics.ORDER_EVENTS, max_message_bytes="2000"):
            fill(writer, orders)
            with pytest.raises(KafkaUnavailable, match="not acknowledged"):
                drain(publisher)
        drain(publisher)
    assert writer.execute(STATUSES).fetchall() == [("SENT", 3 * ORDERS)]
    assert in_order(log, orders)


def waiting_event(number: int, key: str, event_type: int = 1) -> UnsentEvent:
    return UnsentEvent(number, 0, event_type, key, b"", "", 0)


def test_an_order_has_one_event_on_its_way_at_a_time() -> None:
    a1, b1, a2, a3, b2 = (waiting_event(n, key) for n, key in enumerate(("a", "b", "a", "a", "b")))
    assert one_per_order([a1, b1, a2, a3, b2]) == ([a1, b1], [a2, a3, b2])
    asked = [waiting_event(n, "p1", topics.FIRST_STOCK_TYPE) for n in range(3)]
    assert one_per_order(asked) == (asked, [])


def test_no_error_of_the_cluster_is_taken_for_one_of_a_record() -> None:
    """Kafka's protocol: what a retry may mend is about the cluster, and so is a clock."""
    assert not ABOUT_RECORDS.keys() & ABOUT_ACCESS.keys()
    broken_cluster = {
        KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT, KafkaError._PURGE_QUEUE, KafkaError._FATAL,
        KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }  # fmt: skip
    assert not broken_cluster & (ABOUT_RECORDS.keys() | ABOUT_ACCESS.keys())
