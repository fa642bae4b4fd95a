"""The pages from the outbox to the metrics: the alarm is caused, the page is followed, the alarm ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from in_a_thread import in_a_thread
from operator_desk import PATIENCE_SECONDS, TYPE, Operator
from sessions import open_transaction

from faults.injection.stopped import stopped
from faults.scenarios.kafka import set_topic
from runtime.kafka import clients
from stack.servers.credentials import KAFKA_BROKER

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]


def test_publishing_stopped(operator: Operator) -> None:
    pid = operator.world.stack.pid("publisher")
    with open_transaction(operator.world.dsn("orders"), "SELECT FROM outbox_shard FOR UPDATE"):
        operator.handle("OrdermeshPublishingStopped", "pipeline/publishing-stopped.md", PID=pid)


def test_outbox_old(operator: Operator) -> None:
    with open_transaction(operator.world.dsn("orders"), "SELECT FROM outbox_shard WHERE shard < 16 FOR UPDATE"):
        operator.handle("OrdermeshOutboxOld", "pipeline/outbox-old.md")


def test_outbox_dead_events(operator: Operator) -> None:
    set_topic(operator.world, {"max.message.bytes": "330"})
    try:
        operator.monitoring.await_firing("OrdermeshOutboxDeadEvents", PATIENCE_SECONDS)
    finally:
        set_topic(operator.world, {"max.message.bytes": "1048588"})
    # What the publisher sends before it knows the new limit is dead too.
    operator.world.until(lambda: accepts_large_events(operator), "the publisher knows the new limit")
    operator.handle("OrdermeshOutboxDeadEvents", "pipeline/outbox-dead-events.md")


def accepts_large_events(operator: Operator) -> bool:
    """Return whether the number of dead events has stopped rising while others are published."""
    dead = "SELECT count(*) FROM event_outbox WHERE status = 'DEAD' AND occur_time > now() - interval '3 seconds'"
    return operator.world.number("orders", dead) == 0


def test_counting_stopped(operator: Operator) -> None:
    pid = operator.world.stack.pid("processor")
    with stopped(*operator.world.stack.children("processor")):
        operator.handle("OrdermeshCountingStopped", "pipeline/counting-stopped.md", PID=pid)


def test_consumer_lag(operator: Operator) -> None:
    pid = operator.world.stack.pid("processor")
    with stopped(*operator.world.stack.children("processor")):
        operator.handle("OrdermeshConsumerLag", "pipeline/consumer-lag.md", labels={"topic": "order-events"}, PID=pid)


def write_garbage(operator: Operator, records: int, partition: int) -> None:
    """Write records that are no events into a partition."""
    settings = operator.world.kafka(KAFKA_BROKER)
    producer = Producer({**clients.base_config(settings, "runbook"), "enable.idempotence": True})
    for _ in range(records):
        producer.produce("order-events", b"\xff\xff", b"garbage", partition=partition)
    assert producer.flush(30) == 0


def test_dead_letters(operator: Operator) -> None:
    write_garbage(operator, 3, partition=0)
    operator.handle("OrdermeshDeadLetters", "pipeline/dead-letters.md")


@contextlib.contextmanager
def wrong_producer(operator: Operator) -> Iterator[None]:
    """Let a program write garbage into a partition, again and again."""

    def write(over: threading.Event) -> None:
        while not over.wait(0.5):
            write_garbage(operator, 200, partition=1)

    with in_a_thread(write):
        yield


def test_partitions_paused(operator: Operator) -> None:
    page = "pipeline/partitions-paused.md"
    try:
        with wrong_producer(operator):
            operator.monitoring.await_firing("OrdermeshPartitionsPaused", PATIENCE_SECONDS)
            operator.look(page)
        operator.follow(page, TYPE, {})
        operator.monitoring.await_resolved("OrdermeshPartitionsPaused", PATIENCE_SECONDS)
        operator.see_the_end(page)
    finally:
        operator.shell.run("ordermesh dlq discard --reason UNDECODABLE --yes")


def test_reconciliation_differs(operator: Operator) -> None:
    """Somebody changes a metric."""
    change = "UPDATE sales_metrics SET value = value + 7 WHERE metric_name = 'orders_total' RETURNING value"
    operator.world.until(lambda: bool(operator.world.query("analytics", change)), "there is a metric to change")
    operator.handle("OrdermeshReconciliationDiffers", "pipeline/reconciliation-differs.md")


def test_reconciliation_stale(operator: Operator) -> None:
    pid = operator.world.stack.pid("analytics")
    with stopped(pid):
        operator.handle("OrdermeshReconciliationStale", "pipeline/reconciliation-stale.md", PID=pid)
