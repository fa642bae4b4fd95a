"""A real Prometheus and Alertmanager with the shipped rules: a cause, its alert, the repair, the end of the alert."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_a_thread import in_a_thread
from monitoring import monitoring, targets
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from shared_stack import shared_stack

from faults.injection.stopped import stopped
from stack.running_stack import RunningStack

BETWEEN_ORDERS_SECONDS = 0.1
REQUEST = orders_pb2.CreateOrderRequest(
    customer_id="cust-alerts", items=[orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)]
)


@contextlib.contextmanager
def orders_arriving(stack: RunningStack) -> Iterator[None]:
    """Create orders in a thread."""

    def order(over: threading.Event) -> None:
        with stack.channel() as channel:
            stub = orders_pb2_grpc.OrderServiceStub(channel)
            while not over.wait(BETWEEN_ORDERS_SECONDS):
                stub.CreateOrder(REQUEST, timeout=20, wait_for_ready=True)

    with in_a_thread(order):
        yield


@pytest.mark.timeout(240)
def test_a_stopped_publisher_is_an_alert_that_silences_its_consequences_and_ends(tmp_path: Path) -> None:
    stack = shared_stack()
    with monitoring(tmp_path, targets(stack)) as watched, orders_arriving(stack):
        with stopped(stack.pid("publisher")):
            alert = watched.await_notified("OrdermeshServiceDown", job="ordermesh-publisher")
            assert [receiver["name"] for receiver in alert["receivers"]] == ["critical"]
            consequence = watched.await_notified("OrdermeshPublishingStopped", state="suppressed")
            assert consequence["status"]["inhibitedBy"] == [alert["fingerprint"]]
        watched.await_resolved("OrdermeshServiceDown")
        watched.await_resolved("OrdermeshPublishingStopped")
