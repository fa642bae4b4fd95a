"""Creates the topics that are missing, and lets dead letters be larger than events."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from orders.settings import TopicSettings
from runtime import kafka, kafka_limits, logging
from runtime.logging import logger

FAILURES = (OSError, ValueError, KafkaException)
NEWS_SECONDS = 0.1


def main() -> None:
    """Create the topics."""
    settings = TopicSettings.load()
    logging.configure("topics", settings)
    client = kafka.admin(settings, "ordermesh-topics")
    created = kafka.create_topics(client, settings.kafka_partitions, settings.kafka_replication, settings.kafka_min_isr)
    logger().info("topics are there", created=created, raised=raise_letter_limits(client))


def raise_letter_limits(client: AdminClient) -> list[str]:
    """Raise the limits of dead letter topics where they are too low, and return the names of those topics."""
    until = time.monotonic() + kafka.ADMIN_TIMEOUT_SECONDS
    while True:
        try:
            return kafka_limits.raise_letter_limits(client)
        except PermissionError as error:
            logger().warning("dead letters that are too large for Kafka are kept in the database", error=str(error))
            return []
        except KafkaException as error:
            # Not every broker knows yet of a topic that was made just now.
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > until:
                raise
        time.sleep(NEWS_SECONDS)
