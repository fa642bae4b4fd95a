"""Counts events in batches: deduplicates, adds up, commits offsets."""

from __future__ import annotations

import psycopg
from confluent_kafka import Consumer

from bench.bare.settings import BareSettings
from runtime.postgres import arrays
from runtime.postgres.queries import Queries

SQL = Queries("bench.bare", "bare.sql")
BATCH_EVENTS = 2000
LINGER_SECONDS = 0.02


def main() -> None:
    """Count until the process is stopped."""
    settings = BareSettings.load()
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            **settings.kafka_properties,
            "group.id": "bare",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.subscribe([settings.topic])
    with psycopg.connect(settings.dsn, autocommit=True, prepare_threshold=0) as connection:
        while True:
            first = consumer.poll(1.0)
            if first is None:
                continue
            messages = [first, *consumer.consume(BATCH_EVENTS - 1, LINGER_SECONDS)]
            good = [message for message in messages if message.error() is None]
            ids = arrays.plain([(message.key() or b"").decode() for message in good])
            sizes = arrays.plain([len(message.value() or b"") for message in good])
            connection.execute(SQL.count_events, {"order_ids": ids, "sizes": sizes})
            consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()
