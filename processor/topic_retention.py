"""Compares the retention of Kafka's topics with that of the processor, when a processor starts."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # it is public, and not in __all__

from processor.settings import WorkSettings
from runtime.kafka import clients
from runtime.kafka.topics import EVENT_TOPICS
from runtime.telemetry.logging import logger

KAFKA_SECONDS = 30.0
DAY_MS = 86_400_000


def warn_of_longer_topics(settings: WorkSettings) -> None:
    """Log a warning for each topic that keeps events longer than the processor knows whether they were counted."""
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in EVENT_TOPICS]
    limit_ms = settings.processor_retention_days * DAY_MS
    # Referenced until all requests are answered: garbage collection would close the client and drop them.
    client = clients.admin(settings, "ordermesh-maintenance")
    for resource, answer in client.describe_configs(resources).items():
        try:
            kept_ms = int(answer.result(KAFKA_SECONDS)["retention.ms"].value)
        except (KafkaException, TimeoutError) as error:
            logger().warning("topic retention unknown", topic=resource.name, error=error)
            continue
        if not 0 <= kept_ms <= limit_ms:
            logger().warning(
                "a topic keeps events longer than ORDERMESH_PROCESSOR_RETENTION_DAYS: a worker that reads it from the "
                "beginning rejects the older ones as too old",
                topic=resource.name,
                retention_ms=kept_ms,
                processor_retention_days=settings.processor_retention_days,
            )
