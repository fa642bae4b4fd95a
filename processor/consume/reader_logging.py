"""Logs what is unusual about reading: a partition that starts elsewhere, missing events, consumer errors."""

from __future__ import annotations

from confluent_kafka import KafkaError

from processor.events.resume_positions import Start
from runtime.kafka.offsets import NO_TOPIC, Partition
from runtime.telemetry.logging import logger


def log_start(partition: Partition, start: Start, committed_offset: int) -> None:
    """Log what is unusual about where the counting of a partition continues."""
    (topic, number), (_, position, recorded, missing) = partition, start
    if recorded is not None and recorded.topic_id not in (NO_TOPIC, position.topic_id):
        message = "topic recreated: counting its events from the first"
    elif recorded is not None and recorded.next_offset > position.next_offset:
        message = "log truncated: counting its events from the first"
    elif position.next_offset < committed_offset:
        message = "metrics are behind the consumer group, as after a restore: counting events again from there"
    else:
        message = ""
    if message:
        logger().error(
            message,
            topic=topic,
            partition=number,
            committed_offset=committed_offset,
            counted_offset=position.next_offset,
        )
    if missing:
        log_missing_events(topic, number, missing)


def log_missing_events(topic: str, partition: int, missing: int) -> None:
    """Log that events were deleted from the log before they were counted."""
    logger().error("events missing from the log", topic=topic, partition=partition, missing_events=missing)


def log_consumer_error(error: KafkaError) -> None:
    """Log an error of the consumer, which retries by itself."""
    level = "error" if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else "warning"
    getattr(logger(), level)("Kafka consumer error", error=error)
