"""Creates the topics that are missing, and lets dead letters be larger than events."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from orders.settings import TopicSettings
from runtime.kafka import clients, size_limits, topics
from runtime.telemetry import logging
from runtime.telemetry.logging import logger

FAILURES = (OSError, ValueError, KafkaException)
RETRY_SECONDS = 0.1
# Not retriable by Kafka's protocol, but true only until enough brokers have registered (again) and all know of a topic.
PASSING = (KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.UNKNOWN_TOPIC_OR_PART)


def main() -> None:
    """Create the topics."""
    settings = TopicSettings.load()
    logging.configure("topics", settings)
    client = clients.admin(settings, "ordermesh-topics")
    wanted = settings.kafka_partitions, settings.kafka_replication, settings.kafka_min_isr
    created = retried(lambda: topics.create_topics(client, *wanted))
    logger().info("topics are there", created=created, raised=raise_dead_letter_limits(client))


def raise_dead_letter_limits(client: AdminClient) -> list[str]:
    """Raise the limits of dead letter topics where they are too low, and return the names of those topics."""
    try:
        return retried(lambda: size_limits.raise_dead_letter_limits(client))
    except PermissionError as error:
        logger().warning("dead letters that are too large for Kafka are kept in the database", error=str(error))
        return []


def retried(request: Callable[[], list[str]]) -> list[str]:
    """Return what a request returns, sent again while a cluster that has just started cannot serve it yet."""
    until = time.monotonic() + topics.ADMIN_TIMEOUT_SECONDS
    while True:
        try:
            return request()
        except KafkaException as error:
            told: KafkaError = error.args[0]
            if not (told.retriable() or told.code() in PASSING) or time.monotonic() > until:
                raise
        time.sleep(RETRY_SECONDS)
