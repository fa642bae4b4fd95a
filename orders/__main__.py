"""`python -m orders serve | publish | migrate | topics`."""

from __future__ import annotations

import sys

import psycopg
from confluent_kafka import KafkaException

from orders.settings import DatabaseSettings, PublisherSettings, ServeSettings, TopicSettings
from runtime import kafka, logging
from runtime.exit_codes import ExitCode
from runtime.grpc_server import DRAIN_GRACE_SECONDS, DRAIN_NOTICE_SECONDS
from runtime.logging import logger
from runtime.postgres import migrate
from runtime.supervise import Supervisor

USAGE = "usage: python -m orders serve | publish | migrate | topics"


def serve() -> None:
    """Run the serving processes."""
    from orders import serve as serving

    settings = ServeSettings.load()
    logging.configure("orders", settings)
    logger().info("orders started", **settings.shown())
    grace_seconds = DRAIN_NOTICE_SECONDS + DRAIN_GRACE_SECONDS + 2
    Supervisor(
        serving.run,
        settings.orders_processes,
        metrics_address=settings.metrics_address,
        grace_seconds=grace_seconds,
    ).run()


def publish() -> None:
    """Run the publisher."""
    from orders import publish as publishing

    publishing.run(PublisherSettings.load())


def migrate_orders() -> None:
    """Bring the schema of the orders database up to date."""
    settings = DatabaseSettings.load()
    logging.configure("orders-migrate", settings)
    applied = migrate(settings.orders_dsn.get_secret_value(), "orders.migrations")
    logger().info("orders database is up to date", applied=applied)


def create_topics() -> None:
    """Create the topics that are missing."""
    settings = TopicSettings.load()
    logging.configure("topics", settings)
    client = kafka.admin(settings, "ordermesh-topics")
    created = kafka.create_topics(client, settings.kafka_partitions, settings.kafka_replication, settings.kafka_min_isr)
    logger().info("topics are there", created=created)


def main() -> int:
    """Run one of the programs."""
    programs = {"serve": serve, "publish": publish, "migrate": migrate_orders, "topics": create_topics}
    if len(sys.argv) != 2 or sys.argv[1] not in programs:
        print(USAGE, file=sys.stderr)
        return ExitCode.USAGE
    try:
        programs[sys.argv[1]]()
    except (OSError, ValueError, psycopg.Error, KafkaException) as error:
        print(f"orders {sys.argv[1]}: {str(error).strip()}", file=sys.stderr)
        return ExitCode.START_FAILED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
