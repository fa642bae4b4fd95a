"""Gives each program its ACLs in Kafka; for a user that may change ACLs."""

from __future__ import annotations

from confluent_kafka import KafkaException

from orders.create_topics import retried
from orders.settings import AclSettings
from runtime.kafka import access, clients
from runtime.telemetry import logging
from runtime.telemetry.logging import logger

FAILURES = (OSError, ValueError, KafkaException)


def main() -> None:
    """Create the missing ACLs, and delete those that are no longer needed."""
    settings = AclSettings.load()
    logging.configure("acls", settings)
    client = clients.admin(settings, "ordermesh-acls")
    retried(lambda: access.ensure_acls(client, settings.processor_group))
    logger().info("ACLs exist")
