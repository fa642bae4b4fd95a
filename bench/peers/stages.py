"""What publishes and what counts in the peers, alone: each drains a number of events, one after the other."""

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

# By stage of the product, the group of processes.
GROUPS = {"publisher": "publisher", "worker": "workers"}
# Where the events are that a publisher drains.
PUBLISHERS = {"outbox": POLLER, "queue": QUEUE}
# By topic. In batches a number that is enough for the others is done in a moment.
WORKERS = {"single": (CONSUMER, 1), "faststream": (FASTSTREAM, 1), "batches": (FASTSTREAM_BATCHES, 10)}


def peer_stages(events: int) -> Iterator[Stage]:
    """Yield the publishers draining what waits for them, then the workers counting what is in their topics."""
    with running_servers() as servers:
        env = prepared(servers, "published", queue=True)
        with psycopg.connect(env["PEER_DSN"], autocommit=True) as connection:
            for place, part in PUBLISHERS.items():
                connection.execute(QUERIES[f"fill_{place}"], (events,))
                connection.execute(SQL.checkpoint)
                sent = Probe(connection, QUERIES[f"sent_from_{place}"])
                yield alone(servers, "publisher", part, env, sent, events)
            for topic, (part, times) in WORKERS.items():
                fill_topic(servers, topic, events * times)
                connection.execute(QUERIES["forget_counted"])
                connection.execute(SQL.checkpoint)
                counted = Probe(connection, QUERIES["counted_alone"])
                yield alone(servers, "worker", part, env | {"PEER_TOPIC": topic}, counted, events * times)


def fill_topic(servers: Servers, topic: str, events: int) -> None:
    """Make a topic with a number of events."""
    servers.topic(topic)
    settings = {"bootstrap.servers": servers.context.settings.bootstrap, "queue.buffering.max.messages": events}
    producer = Producer(settings)
    for _ in range(events):
        order_id = str(uuid.uuid4())
        producer.produce(topic, json.dumps({"orderId": order_id, "totalMinor": 2500}), order_id)
    producer.flush()


def alone(
    servers: Servers, beside: str, component: Component, env: Mapping[str, str], done: Probe, events: int
) -> Stage:
    """Run a part until it has done all events, and end it, so that it costs the next one nothing.

    `beside` names the product's stage that does the same work.
    """
    with ExitStack() as held:
        own = Servers(servers.context, dict(servers.roots), held)
        own.python(GROUPS[beside], ["-m", component.module], {**env, **component.env}, str(environment.python()))
        return followed(own.roots, done, events, component.name, dict(component.settings), beside=beside)
