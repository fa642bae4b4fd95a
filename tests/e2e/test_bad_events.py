"""Bytes in Kafka that are no events: each becomes a dead letter with its reason, and its partition moves on."""

from __future__ import annotations

import os

import pytest
from bad_records import dead_letter_row, send
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from front_proxy import Platform, await_true
from kafka_broker import config
from ordermesh.events.v1.events_pb2 import OrderEvent

from stack.servers.credentials import KAFKA_BROKER

TOPICS = ("order-events", "stock")
BAD = {
    "EMPTY": b"",
    "UNDECODABLE": os.urandom(64) + b"\xff\xff",
    "UNKNOWN_TYPE": OrderEvent(event_id="019a0000-0000-7000-8000-0000000000aa", schema_version=99).SerializeToString(),
}


def letter(platform: Platform, topic: str, partition: int, offset: int) -> Message:
    """Read a dead letter."""
    consumer = Consumer({**config(platform.stack.context.kafka_settings(KAFKA_BROKER)), "group.id": "e2e-letters"})
    consumer.assign([TopicPartition(topic, partition, offset)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    return message


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("reason", sorted(BAD))
def test_what_is_no_event_becomes_a_dead_letter_byte_for_byte(platform: Platform, topic: str, reason: str) -> None:
    before = platform.stored()
    message = send(platform, topic, BAD[reason])
    await_true(lambda: dead_letter_row(platform, message), "the message became a dead letter")
    found, detail, *place = dead_letter_row(platform, message)
    assert (found, place[0]) == (reason, f"{topic}.dlq")
    assert detail
    kept = letter(platform, *place)
    assert (kept.value(), kept.key()) == (BAD[reason], b"bad")
    headers = dict(kept.headers() or [])  # type: ignore[arg-type]
    assert headers["dlq-reason"] == reason.encode()
    assert headers["dlq-topic"] == topic.encode()
    assert platform.stored() == before


def test_the_partition_moves_on_and_good_events_behind_bad_ones_are_counted(platform: Platform) -> None:
    made = platform.order("cust-behind")["orderId"]
    await_true(
        lambda: platform.one("analytics", "SELECT partition FROM processed_events WHERE order_id = %s", made),
        "the order was counted",
    )
    row = platform.one("analytics", "SELECT partition FROM processed_events WHERE order_id = %s", made)
    producer = Producer(config(platform.stack.context.kafka_settings(KAFKA_BROKER)))
    for _ in range(3):
        producer.produce("order-events", value=b"\xff\xffbad", key=b"bad", partition=row[0])
    assert producer.flush(20) == 0
    assert platform.post(f"/v1/orders/{made}:completePayment", {}).status == 200
    query = "SELECT count(*) FROM processed_events WHERE order_id = %s HAVING count(*) = 2"
    await_true(lambda: platform.one("analytics", query, made), "the payment behind the bad bytes was counted")
    assert platform.reconcile() == "AGREES []"


def test_the_status_counts_the_dead_letters(platform: Platform) -> None:
    before = int(platform.curl("/v1/pipeline/status").json["processing"]["deadLettersTotal"])
    message = send(platform, "order-events", b"\xff\xfeshown")
    await_true(lambda: dead_letter_row(platform, message), "the message became a dead letter")
    await_true(
        lambda: int(platform.curl("/v1/pipeline/status").json["processing"]["deadLettersTotal"]) > before,
        "the status counts it",
    )
