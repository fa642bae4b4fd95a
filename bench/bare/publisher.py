"""Publishes the outbox to Kafka: sends a batch, waits for acknowledgements, marks it as sent."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from confluent_kafka import Producer

from bench.bare.settings import BareSettings
from runtime.postgres import arrays
from runtime.postgres.queries import Queries

SQL = Queries("bench.bare", "bare.sql")
IDLE_SECONDS = 0.01
ACK_SECONDS = 30.0


def publish(connection: psycopg.Connection[Any], producer: Producer, settings: BareSettings) -> int:
    """Publish one batch and return its number of events."""
    rows = connection.execute(SQL.read_events, {"limit": settings.publish_events}, binary=True).fetchall()
    for _, order_id, payload in rows:
        producer.produce(settings.topic, payload, order_id)
    if producer.flush(ACK_SECONDS):
        raise SystemExit("Kafka did not acknowledge in time")
    if rows:
        connection.execute(SQL.mark_sent, {"ids": arrays.plain([row[0] for row in rows])})
    return len(rows)


def main() -> None:
    """Publish until the process is stopped."""
    settings = BareSettings.load()
    producer = Producer(
        {"bootstrap.servers": settings.kafka_bootstrap, "enable.idempotence": True, "linger.ms": 2}
        | settings.kafka_properties
    )
    with psycopg.connect(settings.dsn, autocommit=True, prepare_threshold=0) as connection:
        while True:
            if not publish(connection, producer, settings):
                time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    main()
