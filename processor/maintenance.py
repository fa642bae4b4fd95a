"""The upkeep of the analytics database: partitions of processed_events, and rows that nothing needs any more."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # it is public, and not in __all__

from processor.consume import poison_pills as crashes
from processor.counting.transaction import SQL
from processor.settings import WorkSettings
from runtime.kafka import clients
from runtime.kafka.topics import EVENT_TOPICS
from runtime.postgres import partitions
from runtime.postgres.connections import connect
from runtime.postgres.partitions import Table
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

EVERY_SECONDS = 60.0
KAFKA_SECONDS = 30.0
DAY_MS = 86_400_000
DAYS_AHEAD = 3


def run(settings: WorkSettings, stop: threading.Event) -> None:
    """Run the job again and again; what fails is tried again with the next run."""
    compare_with_topics(settings)
    outage = Outage("maintenance")
    while True:
        try:
            run_once(settings)
            outage.ends()
        except psycopg.Error as error:
            outage.begins(error)
        if stop.wait(EVERY_SECONDS):
            return


def run_once(settings: WorkSettings) -> list[str]:
    """Do the job; return which partitions were made and dropped. Raises psycopg.Error."""
    # A day to spare over what workers refuse: no event comes into a partition while what it adds up to is kept.
    table = Table("processed_events", DAYS_AHEAD, settings.processor_retention_days + 1)
    changes = []
    with connect(
        settings.analytics_dsn.get_secret_value(), "ordermesh-maintenance", settings.postgres_pooler
    ) as connection:
        for change in partitions.maintain(connection, table):
            logger().info("partition changed", change=change)
            changes.append(change)
        metrics.ANALYTICS_MAINTENANCE.labels(table.name).set_to_current_time()
        forget(connection, settings.processor_retention_days)
    return changes


def forget(connection: psycopg.Connection[Any], retention_days: int) -> None:
    """Delete what is older than the retention, however much it is."""
    retention = {"retention_days": retention_days}
    while connection.execute(SQL.forget_letters, retention).rowcount:
        pass
    connection.execute(SQL.forget_workers, retention)
    crashes.forget(connection, retention_days)


def compare_with_topics(settings: WorkSettings) -> None:
    """Tell when a topic keeps events for longer than it is known here whether they were counted."""
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in EVENT_TOPICS]
    limit_ms = settings.processor_retention_days * DAY_MS
    # Held until all have answered: collected before, the client ends, and its questions with it.
    client = clients.admin(settings, "ordermesh-maintenance")
    for resource, answer in client.describe_configs(resources).items():
        try:
            kept_ms = int(answer.result(KAFKA_SECONDS)["retention.ms"].value)
        except (KafkaException, TimeoutError) as error:
            logger().warning("the retention of a topic is not known", topic=resource.name, error=str(error))
            continue
        if not 0 <= kept_ms <= limit_ms:
            logger().warning(
                "a topic keeps events for longer than ORDERMESH_PROCESSOR_RETENTION_DAYS: whoever reads it from its "
                "beginning sets the older ones aside as too old",
                topic=resource.name,
                retention_ms=kept_ms,
                processor_retention_days=settings.processor_retention_days,
            )
