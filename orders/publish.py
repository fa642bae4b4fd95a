"""The publisher process: publishes events, waits for notifications, and retries after outages."""

from __future__ import annotations

import socket
import threading
import time

import psycopg
from confluent_kafka import KafkaException

from orders.domain.events import SHARDS
from orders.outbox.publisher import Publisher
from orders.outbox.sender import KafkaUnavailable
from orders.settings import PublisherSettings
from orders.store.queries import OUTBOX
from runtime.backoff import Backoff
from runtime.kafka.topics import EVENT_TOPICS
from runtime.postgres.connection_types import Connection
from runtime.postgres.connections import connect
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.pacing import BatchPacer
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics import endpoint
from runtime.telemetry.outage import Outage
from runtime.telemetry.tracing.tracer import TRACER

FAILURES = (OSError, ValueError, psycopg.Error, KafkaException)
POLL_SECONDS = 0.25
BACKOFF = Backoff(first_seconds=0.5, max_seconds=2.0)
MANY_EVENTS_PER_SECOND = 1500


def main() -> None:
    """Publish until SIGTERM or SIGINT; the current batch is finished."""
    settings = PublisherSettings.load()
    logging.configure("publisher", settings)
    stop = on_signal()
    metrics.create("publisher")
    for topic in EVENT_TOPICS:
        metrics.EVENTS_PUBLISHED.labels(topic)
    for error_type in ("batch", "kafka", "postgres"):
        metrics.PUBLISH_FAILURES.labels(error_type)
    endpoint.serve(settings.metrics_address, HEARTBEAT.health)
    logger().info("publisher started", settings=settings.shown())
    outage = Outage("publishing")
    with TRACER.started("publisher", settings):
        while not stop.is_set():
            try:
                publish(settings, stop, outage)
            except psycopg.Error as error:
                # Whatever the error, a new connection may lead to another server or a new primary.
                metrics.PUBLISH_FAILURES.labels("postgres").inc()
                HEARTBEAT.record()
                stop.wait(BACKOFF.delay_seconds(outage.begins(error, component="postgres")))
    logger().info("publisher stopped")


def publish(settings: PublisherSettings, stop: threading.Event, outage: Outage) -> None:
    """Publish on one connection until it breaks or the process is stopped."""
    dsn = settings.orders_dsn.get_secret_value()
    listens = settings.postgres_pooler == "none"
    with connect(dsn, "ordermesh-publisher", settings.postgres_pooler, hot=True) as connection:
        publisher = Publisher(settings, connection, f"publisher@{socket.gethostname()}")
        if listens:
            connection.execute(OUTBOX.listen)
        pacer = BatchPacer(MANY_EVENTS_PER_SECOND)
        rounds = -(-SHARDS // settings.publisher_shards)
        try:
            while not stop.is_set():
                if publish_all_shards(publisher, stop, outage, pacer, rounds):
                    wait_for_notification(connection, stop, listens=listens)
        finally:
            publisher.close()


def publish_all_shards(
    publisher: Publisher,
    stop: threading.Event,
    outage: Outage,
    pacer: BatchPacer,
    rounds: int,
) -> bool:
    """Claim every shard once, then delay the next round; return whether no shard had an event."""
    started = time.monotonic()
    try:
        events = sum(publisher.run_once() for _ in range(rounds))
        HEARTBEAT.record()
        # That nothing is left to publish says nothing of Kafka.
        if events or outage.component == "postgres":
            outage.ends()
        if events:
            stop.wait(pacer.pause_seconds(events, started))
            return False
    except KafkaUnavailable as error:
        HEARTBEAT.record()
        errors = outage.begins(error, component="kafka")
        stop.wait(BACKOFF.delay_seconds(errors))
        return False
    return True


def wait_for_notification(connection: Connection, stop: threading.Event, *, listens: bool) -> None:
    """Wait for a notification, at most POLL_SECONDS; a transaction pooler forwards none."""
    if not listens:
        stop.wait(POLL_SECONDS)
        return
    for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
        pass
