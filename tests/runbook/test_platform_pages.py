"""The pages of servers and services: the alarm is caused, the page is followed, the alarm ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import grpc
import psycopg
import pytest
from in_a_thread import in_a_thread
from monitoring import targets
from operator_desk import PATIENCE_SECONDS, Operator
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from sessions import open_transaction

from faults.injection.stopped import stopped
from faults.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]
# Longer than a worker takes to start and to count something.
BETWEEN_KILLS_SECONDS = 3.0
CALLERS, CALL_SECONDS, BETWEEN_CALLS_SECONDS = 5, 20.0, 0.5
ORDER = orders_pb2.CreateOrderRequest(
    customer_id="cust-runbook", items=[orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)]
)


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
    """A process of orders: the processor would be degraded for ten minutes, if workers ended in other tests too."""
    pid = operator.world.stack.children("orders")[-1]
    with stopped(pid):
        operator.handle(
            "OrdermeshComponentDegraded", "platform/component-degraded.md", labels={"component": "orders"}, PID=pid
        )


@contextlib.contextmanager
def workers_killed_again_and_again(world: World) -> Iterator[None]:
    """Kill workers as a machine with too little memory does."""

    def kill(over: threading.Event) -> None:
        while not over.wait(BETWEEN_KILLS_SECONDS):
            for pid in world.stack.children("processor"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    with in_a_thread(kill):
        yield


def test_restart_loop(operator: Operator) -> None:
    job = {"job": "ordermesh-processor"}
    with workers_killed_again_and_again(operator.world):
        operator.monitoring.await_firing("OrdermeshRestartLoop", PATIENCE_SECONDS, **job)
    operator.handle("OrdermeshRestartLoop", "platform/restart-loop.md", labels=job)


@contextlib.contextmanager
def reads_and_payments(world: World) -> Iterator[None]:
    """Read and pay orders, with more calls at a time than a pool has connections for each."""
    with world.stack.channel() as channel, contextlib.ExitStack() as held:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        for _ in range(CALLERS):
            order_id = stub.CreateOrder(ORDER, timeout=CALL_SECONDS, wait_for_ready=True).order_id
            pay = orders_pb2.CompletePaymentRequest(order_id=order_id)
            read = orders_pb2.GetOrderRequest(order_id=order_id)
            held.enter_context(in_a_thread(again_and_again(lambda pay=pay: stub.CompletePayment(pay))))
            held.enter_context(in_a_thread(again_and_again(lambda read=read: stub.GetOrder(read))))
        yield


def again_and_again(call: Callable[[], object]) -> Callable[[threading.Event], None]:
    """Return work that calls until it is over, whatever the answers are."""

    def work(over: threading.Event) -> None:
        while not over.wait(BETWEEN_CALLS_SECONDS):
            with contextlib.suppress(grpc.RpcError):
                call()

    return work


def test_pool_exhausted(operator: Operator) -> None:
    lock = open_transaction(operator.world.dsn("orders"), "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    with reads_and_payments(operator.world), lock:
        operator.handle("OrdermeshPoolExhausted", "platform/pool-exhausted.md", labels={"database": "orders"})


def test_maintenance_stale(operator: Operator) -> None:
    """A day of the outbox is past its retention, and somebody left a session open that read the table."""
    operator.world.query("orders", "SELECT make_partition('event_outbox', '2020-02-02')")
    with open_transaction(operator.world.dsn("orders"), "SELECT count(*) FROM event_outbox") as pid:
        operator.handle(
            "OrdermeshMaintenanceStale", "platform/maintenance-stale.md", labels={"table": "event_outbox"}, PID=pid
        )


def test_metrics_absent(operator: Operator) -> None:
    """The metrics of another service are scraped in the place of the processor's."""
    (gateway,) = [one for one in targets(operator.world.stack) if one["labels"]["job"] == "ordermesh-gateway"]
    operator.handle_scraping(
        "OrdermeshMetricsAbsent",
        "platform/metrics-absent.md",
        "ordermesh-processor",
        {"targets": gateway["targets"]},
        labels={"metric": "paused_partitions"},
    )
