"""The usual outbox relay: polls every 50 ms, sends up to 50 events, waits for the acknowledgements, marks them."""

from __future__ import annotations

import os
import time

import psycopg
from confluent_kafka import Producer

from bench.peers.queries import QUERIES

BATCH_EVENTS = 50
IDLE_SECONDS = 0.05


def main() -> None:
    """Relay until the process is ended."""
    producer = Producer({"bootstrap.servers": os.environ["PEER_KAFKA"], "enable.idempotence": True})
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
