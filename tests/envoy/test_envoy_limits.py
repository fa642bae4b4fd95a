from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import grpc
import pytest
from envoy_backend import Backend
from envoy_front import Answer, Front, reason_of
from frontdoor.policies import limits
from frontdoor.values import LOOPBACK
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

Start = Callable[..., Front]
ORDER = '{"customerId":"grace"}'


def test_over_the_rate_limit_rest_and_grpc_are_told_so_and_when_to_return(start_front: Start) -> None:
    front = start_front(rate_limit_per_second=1)
    refused = first_refused(front)
    assert (refused.status, refused.json["code"], refused.json["message"]) == (429, 8, "rate limit exceeded")
    assert refused.json["details"][0]["reason"] == "RATE_LIMITED"
    assert refused.headers["retry-after"]
    assert refused.headers["x-ratelimit-limit"] == "1"
    with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
        create_orders(channel, 1_000)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "rate limit exceeded"
    assert reason_of(caught.value) == "RATE_LIMITED"
    metadata = [*caught.value.initial_metadata(), *caught.value.trailing_metadata()]
    assert {"retry-after", "x-ratelimit-limit"} <= {key for key, _ in metadata}


def test_a_client_over_its_limit_takes_nothing_from_another(start_front: Start) -> None:
    front = start_front(rate_limit_per_second=1)
    first_refused(front, "--interface", "127.0.0.2")
    assert front.curl("/orders", "--interface", "127.0.0.3").status == 200


def test_the_limit_is_by_caller_and_role_where_callers_are_known(start_front: Start) -> None:
    # As the authentication states the caller: here the header of a client is kept.
    kept = "prefix: x-ordermesh\n", "prefix: x-other\n"
    front = start_front(rate_limit_per_second=1, change=lambda text: text.replace(*kept))
    for caller, limit in (("operator:a", "1"), ("customer:a", "1000"), ("analyst:a", "200")):
        answer = front.curl("/orders", "-H", f"x-ordermesh-client: {caller}")
        assert (answer.status, answer.headers["x-ratelimit-limit"]) == (200, limit)
    first_refused(front, "-H", "x-ordermesh-client: operator:a")
    assert front.curl("/orders", "-H", "x-ordermesh-client: operator:b").status == 200


def test_downloads_of_pages_are_limited_by_client(start_front: Start) -> None:
    front = start_front()
    answers = (front.ask("GET", "/docs", {"host": "localhost"}) for _ in range(1_000))
    refused = next(answer for answer in answers if answer.status != 200)
    assert (refused.status, refused.headers["x-ratelimit-limit"]) == (429, "100")
    assert front.curl("/docs", "--interface", "127.0.0.3").status == 200


def test_attempts_to_begin_a_session_are_limited_by_client(start_front: Start) -> None:
    front = start_front()
    statuses = {front.ask("POST", "/session", {"host": "localhost"}).status for _ in range(200)}
    assert 429 in statuses
    assert front.curl("/session", "--interface", "127.0.0.3", "-X", "POST").status != 429


def test_orders_above_a_share_are_refused_at_once_while_the_service_is_slow(
    start_front: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHARE_PER_SECOND", "LEAST_ORDERS_AT_A_TIME", "MOST_ORDERS_AT_A_TIME"):
        monkeypatch.setattr(limits, name, 1)
    front = start_front()
    backend.seen.cancelled.clear()
    with ThreadPoolExecutor() as pool:
        # A second's share is let through, and one call of those above it; the other calls wait for neither.
        calls = [pool.submit(front.post, "/orders", '{"customerId":"slow"}') for _ in range(8)]
        refused = next(as_completed(calls)).result()
        with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
            create_orders(channel, 1_000)
        others = front.curl("/orders", "--interface", "127.0.0.3", "-H", "content-type: application/json", "-d", ORDER)
        reads = front.curl("/orders")
        backend.seen.cancelled.set()
    assert {each.result().status for each in calls} == {200, 429}
    assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (429, 8, "1")
    assert refused.json["details"][0]["reason"] == "OVERLOADED"
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "OVERLOADED"
    assert (others.status, reads.status) == (200, 200)


def first_refused(front: Front, *options: str) -> Answer:
    answers = (front.curl("/orders", *options) for _ in range(1_000))
    return next(answer for answer in answers if answer.status != 200)


def create_orders(channel: grpc.Channel, count: int) -> None:
    stub = orders_pb2_grpc.OrderServiceStub(channel)
    for _ in range(count):
        stub.CreateOrder(orders_pb2.CreateOrderRequest(customer_id="grace"))


def test_a_large_body_is_refused_before_it_reaches_a_service(front: Front, backend: Backend) -> None:
    body = front.access_log.parent / "large.json"
    body.write_text('{"customerId":"' + "x" * 300_000 + '"}')
    calls = len(backend.seen.calls)
    answer = front.post("/orders", f"@{body}")
    assert (answer.status, answer.json["code"]) == (413, 11)
    assert "at most 262144 bytes" in answer.json["message"]
    assert len(backend.seen.calls) == calls


def test_a_batch_over_rest_may_be_larger(front: Front) -> None:
    body = front.access_log.parent / "batch.json"
    body.write_text('{"requests":[{"customerId":"' + "x" * 1_000_000 + '"}]}')
    assert front.post("/v1/orders:batchCreate", f"@{body}").json["acceptedCount"] == 1
    body.write_text('{"requests":[{"customerId":"' + "x" * 2_200_000 + '"}]}')
    assert front.post("/v1/orders:batchCreate", f"@{body}").status == 413


@pytest.mark.parametrize(
    "headers", [["x-large: " + "y" * 14_000], [f"x-{number}: 1" for number in range(120)]], ids=["size", "count"]
)
def test_too_many_or_too_large_headers_are_refused(front: Front, headers: list[str]) -> None:
    answer = front.curl("/orders", *(word for header in headers for word in ("-H", header)))
    assert (answer.status, answer.json["code"]) == (431, 11)
    assert "12 KiB in 100 headers" in answer.json["message"]


def test_random_bytes_on_the_port_end_their_connection_only(front: Front) -> None:
    for start in (
        b"",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n",
    ):
        with socket.create_connection((LOOPBACK, front.port), timeout=10) as connection:
            connection.sendall(start + secrets.token_bytes(4096))
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    assert front.curl("/orders").status == 200


def test_a_route_that_takes_too_long_ends_with_the_deadline(start_front: Start, backend: Backend) -> None:
    front = start_front(change=lambda text: text.replace("max_stream_duration: 15s", "max_stream_duration: 0.3s"))
    backend.seen.cancelled.clear()
    answer = front.post("/orders", '{"customerId":"slow"}')
    assert (answer.status, answer.json["code"]) == (504, 4)
    # The service has the same deadline; whoever notices first says so in its own words.
    assert answer.json["message"] in {"no response before the deadline", "Deadline Exceeded"}
    assert backend.seen.cancelled.wait(5)
    backend.seen.cancelled.clear()
    with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
        orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(orders_pb2.CreateOrderRequest(customer_id="slow"))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_rest_client_may_give_a_shorter_deadline(front: Front, backend: Backend) -> None:
    backend.seen.cancelled.clear()
    answer = front.post("/orders", '{"customerId":"slow"}', "-H", "grpc-timeout: 200m")
    assert (answer.status, answer.json["code"]) == (504, 4)
    assert backend.seen.cancelled.wait(5)
