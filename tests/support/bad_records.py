"""Records that are no events, in the Kafka of a running platform."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message, Producer
from front_proxy import Platform, await_true
from kafka_broker import config

from stack.servers.credentials import KAFKA_BROKER


def send(platform: Platform, topic: str, value: bytes, key: bytes = b"bad") -> Message:
    """Write bytes to a topic and return the message as Kafka has it."""
    producer = Producer(config(platform.stack.context.kafka_settings(KAFKA_BROKER)))
    sent: list[Any] = []
    producer.produce(topic, value=value, key=key, on_delivery=lambda error, message: sent.append((error, message)))
    assert producer.flush(20) == 0
    error, message = sent[0]
    assert error is None
    return message  # type: ignore[no-any-return]


def dead_letter_row(platform: Platform, message: Message) -> Any:
    """Return the record of a dead letter."""
    return platform.one(
        "analytics",
        "SELECT reason, detail, dlq_topic, dlq_partition, dlq_offset FROM dead_letter"
        ' WHERE topic = %s AND partition = %s AND "offset" = %s',
        message.topic(),
        message.partition(),
        message.offset(),
    )


def dead_letter(platform: Platform, topic: str, value: bytes) -> str:
    """Write bytes to a topic, wait until they are a dead letter, and return its id."""
    message = send(platform, topic, value)
    await_true(lambda: dead_letter_row(platform, message), "the message became a dead letter")
    return f"{topic}.{message.partition()}.{message.offset()}"
