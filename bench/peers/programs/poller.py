"""The usual outbox publisher: sends up to 50 events, waits for acknowledgements, marks them; polls every 50 ms."""

from __future__ import annotations

import os
import time

import psycopg
from confluent_kafka import Producer

from bench.peers.programs.kafka import KAFKA
from bench.peers.programs.queries import QUERIES

BATCH_EVENTS = int(os.environ["PEER_BATCH_EVENTS"])
IDLE_SECONDS = int(os.environ["PEER_IDLE_MS"]) / 1000


def main() -> None:
    """Publish until the process is stopped."""
    producer = Producer({**KAFKA, "enable.idempotence": True})
    with psycopg.connect(os.environ["PEER_DSN"]) as connection:
        while True:
            with connection.transaction():
                rows = connection.execute(QUERIES["claim_events"], (BATCH_EVENTS,)).fetchall()
                for _, key, payload in rows:
                    producer.produce(os.environ["PEER_TOPIC"], payload, key)
                producer.flush()
                if rows:
                    connection.execute(QUERIES["mark_sent"], ([row[0] for row in rows],))
            if not rows:
                time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    main()
