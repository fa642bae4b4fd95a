"""The publisher's process: publishes while there is something, waits for the doorbell, rides out outages."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import psycopg
from confluent_kafka import KafkaException

from orders.domain.events import SHARDS
from orders.outbox.publisher import Publisher
from orders.outbox.sender import KafkaDown
from orders.settings import PublisherSettings
from orders.store.queries import OUTBOX
from runtime.postgres.connections import connect
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.pacing import BatchPacer
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics, metrics_endpoint
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

FAILURES = (OSError, ValueError, psycopg.Error, KafkaException)
POLL_SECONDS = 0.25
RETRY_SECONDS = 0.5
MANY_EVENTS_PER_SECOND = 1500
PENDING_LIMIT = 100_000


def main() -> None:
    """Publish until SIGTERM or SIGINT; a batch that is begun is finished."""
    settings = PublisherSettings.load()
    logging.configure("publisher", settings)
    stop = on_signal()
    metrics.create("publisher")
    metrics_endpoint.serve(settings.metrics_address, lambda: HEARTBEAT.health().as_json())
    logger().info("publisher started", **settings.shown())
    outage = Outage("publishing")
    while not stop.is_set():
        try:
            publish(settings, stop, outage)
        except psycopg.Error as error:
            # Whatever the database says, a new connection may be answered otherwise: another server, a new primary.
            metrics.PUBLISH_FAILURES.labels("postgres").inc()
            HEARTBEAT.record()
            outage.begins(error, part="postgres")
            stop.wait(RETRY_SECONDS)
    logger().info("publisher stopped")


def publish(settings: PublisherSettings, stop: threading.Event, outage: Outage) -> None:
    """Publish on one connection until it breaks or the process is to stop."""
    dsn = settings.orders_dsn.get_secret_value()
    listens = settings.postgres_pooler == "none"
    with connect(dsn, "ordermesh-publisher", settings.postgres_pooler, hot=True) as connection:
        publisher = Publisher(settings, connection, f"publisher@{socket.gethostname()}")
        if listens:
            connection.execute(OUTBOX.listen)
        pace = BatchPacer(MANY_EVENTS_PER_SECOND)
        try:
            while not stop.is_set():
                if step(publisher, connection, stop, outage, pace, -(-SHARDS // settings.publisher_shards)):
                    await_events(connection, stop, listens=listens)
        finally:
            publisher.close()


def step(
    publisher: Publisher,
    connection: psycopg.Connection[Any],
    stop: threading.Event,
    outage: Outage,
    pace: BatchPacer,
    turns: int,
) -> bool:
    """Go round the shards once, then rest; tell whether none had an event."""
    started = time.monotonic()
    try:
        events = sum(publisher.run_once() for _ in range(turns))
        HEARTBEAT.record()
        if events:
            outage.ends()
            stop.wait(pace.pause_seconds(events, started))
            return False
    except KafkaDown as error:
        HEARTBEAT.record()
        outage.begins(error, part="kafka")
        count_pending(connection)
        stop.wait(RETRY_SECONDS)
        return False
    count_pending(connection)
    return True


def await_events(connection: psycopg.Connection[Any], stop: threading.Event, *, listens: bool) -> None:
    """Wait for the doorbell, but not for long: it is not heard through a pooler of transactions."""
    if not listens:
        stop.wait(POLL_SECONDS)
        return
    for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
        pass


def count_pending(connection: psycopg.Connection[Any]) -> None:
    """Show how many events wait."""
    row = connection.execute(OUTBOX.count_pending, {"limit": PENDING_LIMIT}).fetchone()
    metrics.OUTBOX_PENDING.set(row[0] if row else 0)
