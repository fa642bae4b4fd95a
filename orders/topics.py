"""Creates the topics that are missing, once."""

from __future__ import annotations

from confluent_kafka import KafkaException

from orders.settings import TopicSettings
from runtime import kafka, logging
from runtime.logging import logger

FAILURES = (OSError, ValueError, KafkaException)


def main() -> None:
    """Create the topics."""
    settings = TopicSettings.load()
    logging.configure("topics", settings)
    client = kafka.admin(settings, "ordermesh-topics")
    created = kafka.create_topics(client, settings.kafka_partitions, settings.kafka_replication, settings.kafka_min_isr)
    logger().info("topics are there", created=created)
