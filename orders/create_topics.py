"""Creates missing topics and partitions, and raises the limits of dead letter topics above those of event topics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from orders.settings import TopicSettings
from runtime.backoff import Backoff
from runtime.kafka import clients, size_limits, topics
from runtime.telemetry import logging
from runtime.telemetry.logging import logger

Answer = TypeVar("Answer")
FAILURES = (OSError, ValueError, KafkaException)
BACKOFF = Backoff(first_seconds=0.1, max_seconds=1.0)
# Not retriable by Kafka's protocol, but transient: until enough brokers have registered and know a topic. Those with an
# underscore are the client's own: a broker is not reached, its name is not known yet, or it answered in part.
TRANSIENT = (
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._PARTIAL,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
)


def main() -> None:
    """Create the topics, add partitions and raise the limits."""
    settings = TopicSettings.load()
    logging.configure("topics", settings)
    client = clients.admin(settings, "ordermesh-topics")
    wanted = settings.kafka_partitions, settings.kafka_replication, settings.kafka_min_isr
    created = retried(lambda: topics.create_topics(client, *wanted))
    added = add_partitions(client, settings.kafka_partitions)
    raised = raise_dead_letter_limits(client)
    logger().info("topics exist", topics=created, larger_topics=added, raised_topics=raised)


def add_partitions(client: AdminClient, partitions: int) -> list[str]:
    """Add partitions to topics that have fewer, and return those topics."""
    try:
        return retried(lambda: topics.add_partitions(client, partitions))
    except PermissionError as error:
        logger().warning("partitions not added, topics keep those that they have", error=error)
        return []


def raise_dead_letter_limits(client: AdminClient) -> list[str]:
    """Raise the size limits of dead letter topics where they are too low, and return those topics."""
    try:
        return retried(lambda: size_limits.raise_dead_letter_limits(client))
    except PermissionError as error:
        logger().warning(
            "size limits not raised, larger dead letters are kept in the database",
            error=error,
        )
        return []


def retried(request: Callable[[], Answer]) -> Answer:
    """Return the result of a request, retried while a cluster that has just started cannot serve it."""
    until = time.monotonic() + topics.ADMIN_TIMEOUT_SECONDS
    failures = 0
    while True:
        try:
            return request()
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if not (reason.retriable() or reason.code() in TRANSIENT) or time.monotonic() > until:
                raise
        failures += 1
        time.sleep(BACKOFF.delay_seconds(failures))
