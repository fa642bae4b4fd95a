"""A customer against another one, through the front proxy and past it."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import Any

import grpc
import pytest
from front_proxy import Answer, Platform
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from stack.identity.key_registry import KeyRegistry

ITEM = {"productId": "p1", "quantity": 1, "price": 1}
Header = tuple[str, str]


@pytest.fixture(scope="module")
def customers(closed: Platform) -> tuple[Header, Header]:
    registry = KeyRegistry(closed.stack.context.state)
    keys = [registry.create("customer", name, name) for name in ("alice", "mallory")]
    alice, mallory = (("-H", f"authorization: Bearer {key}") for key in keys)
    return alice, mallory


def ordered(platform: Platform, who: Header, customer: str, **more: Any) -> Answer:
    return platform.post("/orders", {"customerId": customer, "items": [ITEM], **more}, *who)


def without_id(answer: Answer, order_id: str) -> tuple[int, str]:
    return answer.status, answer.body.decode().replace(order_id, "")


def test_orders_of_another_customer_are_neither_seen_nor_changed(
    closed: Platform, customers: tuple[Header, Header]
) -> None:
    alice, mallory = customers
    theirs = ordered(closed, alice, "alice", requestId="r-1").json["orderId"]
    assert ordered(closed, mallory, "alice").status == 403
    assert closed.curl("/v1/orders?customerId=alice", *mallory).status == 403
    none = str(uuid.uuid4())
    for path, method in (("/orders/{}", "GET"), ("/v1/orders/{}", "GET"), ("/v1/orders/{}:cancel", "POST")):
        options = ("-X", method, *mallory, "-H", "content-type: application/json")
        answers = [
            closed.curl(path.format(order), *options, data=b"{}" if method == "POST" else None)
            for order in (theirs, none)
        ]
        assert without_id(answers[0], theirs) == without_id(answers[1], none)
        assert answers[0].status == 404
    mine = ordered(closed, mallory, "mallory", requestId="r-1").json["orderId"]
    assert mine != theirs
    assert [each["orderId"] for each in closed.curl("/orders", *mallory).json] == [mine]
    assert closed.curl(f"/orders/{theirs}", *alice).json["status"] == "CREATED"


def test_a_customer_watches_no_orders_of_another(closed: Platform, customers: tuple[Header, Header]) -> None:
    alice, mallory = customers
    assert closed.curl("/v1/orders:watchLines?customerId=alice", *mallory).status == 403
    watch = ["curl", "-sN", "--max-time", "60", *mallory, closed.stack.rest + "/v1/orders:watchLines"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        lines = [json.loads(curl.stdout.readline())]
        assert "heartbeat" in lines[0], lines
        ordered(closed, alice, "alice")
        mine = ordered(closed, mallory, "mallory").json["orderId"]
        while "change" not in lines[-1]:
            line = curl.stdout.readline()
            assert line, f"the watch ended after {lines}"
            lines += [json.loads(line)] if line.strip() else []
        curl.terminate()
    change = lines[-1]["change"]
    assert (change["orderId"], change["customerId"]) == (mine, "mallory")


def test_a_call_past_the_front_proxy_without_a_caller_is_refused(closed: Platform) -> None:
    for path in (*closed.stack.context.orders_sockets, *closed.stack.context.lane_sockets):
        with grpc.insecure_channel(f"unix:{path}") as channel:
            stub = orders_pb2_grpc.OrderServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetOrder(orders_pb2.GetOrderRequest(order_id=str(uuid.uuid4())), timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
