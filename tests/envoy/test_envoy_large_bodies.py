"""The large bodies and long lists of a client, of which Envoy holds a limited sum at a time."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest
from envoy_front import Answer, Front, reason_of
from frontdoor.policies import limits
from frontdoor.values import LOOPBACK
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from waiting import await_true

Start = Callable[..., Front]
AT_ONCE = limits.LARGE_BODIES_BYTES // limits.BATCH_BODY_BYTES
BATCH = "/v1/orders:batchCreate"
ORDERS = 1_000


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Return a file with a batch that is as large as a client may send."""
    customer = "x" * ((limits.BATCH_BODY_BYTES - 100_000) // ORDERS)
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"requests": [{"customerId": customer}] * ORDERS}))
    return file


def post(front: Front, body: str, *options: str) -> Answer:
    return front.post(BATCH, body, *options)


def harmed(front: Front) -> tuple[int, int]:
    """Return how many streams were reset, and how often the script failed, which lets a request pass uncounted."""
    resets = front.statistic("envoy.overload_actions.reset_high_memory_stream.count")
    return resets, front.statistic("http.front.lua.errors")


def test_what_a_client_may_send_at_once_is_answered_and_never_reset(start_front: Start, large: Path) -> None:
    front = start_front()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: post(front, f"@{large}"), range(10 * AT_ONCE)))
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert harmed(front) == (0, 0)


def test_batches_over_grpc_are_answered_and_never_reset(start_front: Start) -> None:
    front = start_front()
    customer = "x" * ((limits.BATCH_BODY_BYTES - 100_000) // ORDERS)
    batch = orders_pb2.BatchCreateOrdersRequest(requests=[orders_pb2.CreateOrderRequest(customer_id=customer)] * ORDERS)
    count = limits.LARGE_BODIES_BYTES // limits.UNKNOWN_BODY_BYTES
    with grpc.insecure_channel(front.target) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        calls = [stub.BatchCreateOrders.future(batch) for _ in range(AT_ONCE)]
        assert [call.result().accepted_count for call in calls] == [ORDERS] * AT_ONCE
        small = orders_pb2.BatchCreateOrdersRequest(requests=[orders_pb2.CreateOrderRequest(customer_id="grace")] * 100)
        calls = [stub.BatchCreateOrders.future(small) for _ in range(10 * count)]
        assert {call.result().accepted_count for call in calls} == {100}
    assert harmed(front) == (0, 0)


@pytest.fixture
def full(start_front: Start) -> Iterator[tuple[Front, ExitStack]]:
    """Return a front proxy to which one client is sending as much as it may, and what ends that."""
    front = start_front()
    with ExitStack() as held:
        send_too_much(front, held)
        yield front, held


def send_too_much(front: Front, held: ExitStack) -> None:
    """Begin as many bodies as a client may send at a time."""
    for _ in range(AT_ONCE):
        held.enter_context(unfinished(front, limits.BATCH_BODY_BYTES))
    await_true(lambda: in_progress(front) == AT_ONCE, "all bodies are on their way")


def unfinished(front: Front, size: int) -> socket.socket:
    """Return a connection on which a batch lacks its last byte."""
    connection = socket.create_connection((LOOPBACK, front.port), 10)
    head = (
        f"POST {BATCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
    )
    connection.sendall(head.encode() + b" " * (size - 1))
    return connection


def in_progress(front: Front) -> int:
    return front.statistic("http.front.downstream_rq_active")


def test_a_client_that_sends_too_much_at_once_is_told_so(full: tuple[Front, ExitStack], large: Path) -> None:
    front, _ = full
    refused = post(front, f"@{large}")
    assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (429, 8, "1")
    assert refused.json["details"][0]["reason"] == "RATE_LIMITED"
    assert refused.json["message"].startswith("too many large bodies or long lists at a time: ")
    with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
        orders_pb2_grpc.OrderServiceStub(channel).BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "RATE_LIMITED"


def test_its_small_bodies_and_large_ones_of_others_go_on(full: tuple[Front, ExitStack], large: Path) -> None:
    front, _ = full
    assert post(front, '{"requests":[{"customerId":"grace"}]}').status == 200
    assert post(front, f"@{large}", "--interface", "127.0.0.3").status == 200


def test_bodies_that_were_broken_off_count_no_longer(full: tuple[Front, ExitStack], large: Path) -> None:
    front, held = full
    for _ in range(3):  # often enough for each way through the script to be compiled, if it were
        held.close()
        await_true(lambda: post(front, f"@{large}").status == 200, "the client is served again")
        send_too_much(front, held)


def test_large_bodies_are_counted_by_caller_where_callers_are_known(start_front: Start, large: Path) -> None:
    # As the authentication states the caller: here the header of a client is kept.
    front = start_front(change=lambda text: text.replace("prefix: x-ordermesh\n", "prefix: x-other\n"))
    caller = "-H", "x-ordermesh-client: customer:a"
    with ExitStack() as held:
        send_too_much(front, held)
        assert post(front, f"@{large}", *caller).status == 200


def test_lists_that_are_not_read_are_limited_and_short_ones_go_on(start_front: Start) -> None:
    front = start_front()
    with ExitStack() as held:
        for _ in range(limits.LARGE_BODIES_BYTES // limits.LONG_LIST_BYTES):
            connection = held.enter_context(socket.create_connection((LOOPBACK, front.port), 10))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /v1/orders?pageSize=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await_true(lambda: front.curl("/v1/orders?pageSize=100").status == 429, "the client has all lists it may have")
        assert front.curl("/v1/orders?pageSize=99").status == 200
        assert front.curl("/v1/orders?pageSize=100", "--interface", "127.0.0.3").status == 200
    await_true(lambda: front.curl("/v1/orders?pageSize=100").status == 200, "the client is served again")


def test_lists_that_are_read_one_after_the_other_are_answered(start_front: Start) -> None:
    connection = HTTPConnection(LOOPBACK, start_front().port, timeout=15)
    statuses = set()
    for _ in range(200):
        connection.request("GET", "/orders?pageSize=100", headers={"host": "localhost"})
        reply = connection.getresponse()
        reply.read()
        statuses.add(reply.status)
    assert statuses == {200}


def test_lists_that_are_read_side_by_side_are_answered(start_front: Start) -> None:
    front = start_front()
    count = limits.LARGE_BODIES_BYTES // limits.LONG_LIST_BYTES
    with ThreadPoolExecutor(count // 2) as pool:
        answers = list(pool.map(lambda _: front.curl("/v1/orders?pageSize=100"), range(4 * count)))
    assert [answer.status for answer in answers] == [200] * len(answers)
