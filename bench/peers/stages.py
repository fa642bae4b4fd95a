"""The publishers and consumers of the peers as single stages: each drains a number of events."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import psycopg
from confluent_kafka import Producer

from bench.measure.stages import Stage, followed
from bench.peers import environment
from bench.peers.components import CONSUMER, FASTSTREAM, FASTSTREAM_BATCHES, POLLER, QUEUE, Component
from bench.peers.pipelines import prepared
from bench.peers.programs.queries import QUERIES
from bench.subjects.pipeline import SQL, Probe
from bench.subjects.servers import Servers, running_servers
from runtime.kafka import clients
from stack.servers.credentials import KAFKA_BROKER

# The process group for each stage of the product.
GROUPS = {"publisher": "publisher", "worker": "workers"}
# The source of the events of each publisher.
PUBLISHERS = {"outbox": POLLER, "queue": QUEUE}
# By topic, with a factor for the number of events: batches are faster.
WORKERS = {"single": (CONSUMER, 1), "faststream": (FASTSTREAM, 1), "batches": (FASTSTREAM_BATCHES, 10)}


def peer_stages(events: int) -> Iterator[Stage]:
    """Yield the publishers draining their events, then the consumers counting the events of their topics."""
    with running_servers() as servers:
        env = prepared(servers, "published", queue=True)
        with psycopg.connect(env["PEER_DSN"], autocommit=True) as connection:
            for source, publisher in PUBLISHERS.items():
                connection.execute(QUERIES[f"fill_{source}"], (events,))
                connection.execute(SQL.checkpoint)
                sent = Probe(connection, QUERIES[f"sent_from_{source}"])
                yield alone(servers, "publisher", publisher, env, sent, events)
            for topic, (worker, factor) in WORKERS.items():
                fill_topic(servers, topic, events * factor)
                connection.execute(QUERIES["forget_counted"])
                connection.execute(SQL.checkpoint)
                counted = Probe(connection, QUERIES["counted_alone"])
                yield alone(servers, "worker", worker, env | {"PEER_TOPIC": topic}, counted, events * factor)


def fill_topic(servers: Servers, topic: str, events: int) -> None:
    """Create a topic with a number of events."""
    servers.topic(topic)
    base = clients.base_config(servers.context.kafka_settings(KAFKA_BROKER), "bench")
    settings = {**base, "queue.buffering.max.messages": events}
    producer = Producer(settings)
    for _ in range(events):
        order_id = str(uuid.uuid4())
        producer.produce(topic, json.dumps({"orderId": order_id, "totalMinor": 2500}), order_id)
    producer.flush()


def alone(
    servers: Servers, beside: str, component: Component, env: Mapping[str, str], done: Probe, events: int
) -> Stage:
    """Run a component until it has processed all events, then stop it, so that it does not affect the next one.

    `beside` is the stage of the product that it is compared with.
    """
    with ExitStack() as held:
        own = Servers(servers.context, dict(servers.roots), held)
        own.python(GROUPS[beside], ["-m", component.module], {**env, **component.env}, str(environment.python()))
        return followed(own.roots, done, events, component.name, dict(component.settings), beside=beside)
