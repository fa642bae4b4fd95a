"""The usual consumer: one transaction with deduplication and metrics, and one offset commit, per event."""

from __future__ import annotations

import json
import os

import psycopg
from confluent_kafka import Consumer

from bench.peers.programs.kafka import KAFKA
from bench.peers.programs.queries import QUERIES


def main() -> None:
    """Count until the process is stopped."""
    consumer = Consumer(
        {
            **KAFKA,
            "group.id": "peer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([os.environ["PEER_TOPIC"]])
    with psycopg.connect(os.environ["PEER_DSN"], autocommit=True) as connection:
        while True:
            message = consumer.poll(1.0)
            if message is None or message.error() is not None:
                continue
            event = json.loads(message.value() or b"")
            with connection.transaction():
                if connection.execute(QUERIES["insert_counted"], (event["orderId"],)).fetchone():
                    connection.execute(QUERIES["add_metrics"], (1, event["totalMinor"]))
            consumer.commit(message=message, asynchronous=True)


if __name__ == "__main__":
    main()
