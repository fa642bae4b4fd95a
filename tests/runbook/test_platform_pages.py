"""The pages of servers and services: the alarm is caused, the page is followed, the alarm ends."""

from __future__ import annotations

import contextlib
import os
import signal

import psycopg
import pytest
from monitoring import targets
from operator_desk import Operator
from sessions import open_transaction

from faults.injection.stopped import stopped

pytestmark = [pytest.mark.long, pytest.mark.timeout(470)]


def test_postgres_down(operator: Operator) -> None:
    with psycopg.connect(operator.world.stack.context.admin_dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    operator.handle("OrdermeshPostgresDown", "platform/postgres-down.md", labels={"component": "postgresql-orders"})


def test_kafka_down(operator: Operator) -> None:
    pid = operator.world.stack.pid("kafka")
    with stopped(pid):
        operator.handle("OrdermeshKafkaDown", "platform/kafka-down.md", PID=pid)


def test_service_down(operator: Operator) -> None:
    pid = operator.world.stack.pid("publisher")
    with stopped(pid):
        operator.handle(
            "OrdermeshServiceDown", "platform/service-down.md", labels={"job": "ordermesh-publisher"}, PID=pid
        )


def test_replica_down(operator: Operator) -> None:
    pid = operator.world.stack.children("orders")[-1]
    with stopped(pid):
        operator.handle(
            "OrdermeshReplicaDown", "platform/replica-down.md", labels={"envoy_cluster_name": "orders"}, PID=pid
        )


def test_component_degraded(operator: Operator) -> None:
    pid = operator.world.stack.children("processor")[0]
    with stopped(pid):
        operator.handle(
            "OrdermeshComponentDegraded", "platform/component-degraded.md", labels={"component": "processor"}, PID=pid
        )


def test_restart_loop(operator: Operator) -> None:
    for _ in range(6):
        with contextlib.suppress(ProcessLookupError):
            os.kill(operator.world.stack.children("processor")[0], signal.SIGKILL)
        operator.world.until(lambda: len(operator.world.stack.children("processor")) == 2, "the worker is back")
    operator.handle("OrdermeshRestartLoop", "platform/restart-loop.md", labels={"job": "ordermesh-processor"})


def test_pool_exhausted(operator: Operator) -> None:
    with open_transaction(operator.world.dsn("orders"), "LOCK TABLE orders IN EXCLUSIVE MODE"):
        operator.handle("OrdermeshPoolExhausted", "platform/pool-exhausted.md", labels={"database": "orders"})


def test_metrics_absent(operator: Operator) -> None:
    right = targets(operator.world.stack)
    (gateway,) = [one for one in right if one["labels"]["job"] == "ordermesh-gateway"]
    wrong = [
        {**one, "targets": gateway["targets"]} if one["labels"]["job"] == "ordermesh-processor" else one
        for one in right
    ]
    operator.monitoring.write_targets(wrong)
    try:
        operator.monitoring.await_firing("OrdermeshMetricsAbsent", metric="paused_partitions")
        operator.look("platform/metrics-absent.md")
    finally:
        operator.monitoring.write_targets(right)
    operator.monitoring.await_resolved("OrdermeshMetricsAbsent", metric="paused_partitions")
