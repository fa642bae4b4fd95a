"""The outbox as a queue of procrastinate: an order defers a job in its transaction, and the job sends the event.

As its documentation recommends for short jobs that wait for I/O: concurrent asyncio tasks, and a connection for each of
them plus one. A failed job is retried.
"""

from __future__ import annotations

import os

from faststream.confluent import KafkaBroker
from faststream.security import SASLScram512
from procrastinate import App, PsycopgConnector

from bench.peers.programs.kafka import BOOTSTRAP, PASSWORD, USER

CONCURRENCY = int(os.environ["PEER_CONCURRENCY"])
TOPIC = os.environ["PEER_TOPIC"]

app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_DSN"], max_size=CONCURRENCY + 1))
# `publish` awaits the acknowledgement; the asyncio producer of confluent-kafka would delay an event by 100 ms.
# The linger is the default of librdkafka, as for the other peers.
security = SASLScram512(USER, PASSWORD, use_ssl=False)
broker = KafkaBroker(BOOTSTRAP, security=security, acks="all", enable_idempotence=True, linger_ms=5, logger=None)


@app.task(name="send", retry=True)
async def send(order_id: str, total_minor: int) -> None:
    """Send an event and await its acknowledgement."""
    await broker.publish({"orderId": order_id, "totalMinor": total_minor}, TOPIC, key=order_id.encode())
