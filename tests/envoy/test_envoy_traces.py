from __future__ import annotations

import re

import grpc
import pytest
from envoy_backend import Backend
from envoy_front import Front
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
MALFORMED = [
    "garbage",
    f"00-{'0' * 32}-00f067aa0ba902b7-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
]


@pytest.mark.parametrize("flag", ["00", "01"])
def test_a_clients_trace_is_continued_with_its_decision_and_told_back(
    front: Front, backend: Backend, flag: str
) -> None:
    sent = f"traceparent: 00-{TRACE_ID}-00f067aa0ba902b7-{flag}"
    answer = front.post("/orders", "{}", "-H", sent)
    assert answer.headers["traceparent"] == backend.seen.metadata["traceparent"]
    assert re.fullmatch(f"00-{TRACE_ID}-[0-9a-f]{{16}}-{flag}", answer.headers["traceparent"])


def test_a_trace_is_begun_where_there_is_none(front: Front, backend: Backend) -> None:
    answers = [front.post("/orders", "{}") for _ in range(2)]
    assert all(TRACEPARENT.fullmatch(answer.headers["traceparent"]) for answer in answers)
    assert answers[0].headers["traceparent"] != answers[1].headers["traceparent"]
    assert answers[1].headers["traceparent"] == backend.seen.metadata["traceparent"]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_traceparent_is_ignored(front: Front, backend: Backend, malformed: str) -> None:
    answer = front.post("/orders", "{}", "-H", f"traceparent: {malformed}")
    assert TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert TRACE_ID not in answer.headers["traceparent"]
    assert answer.headers["traceparent"] == backend.seen.metadata["traceparent"]


@pytest.mark.parametrize("request_id", ["0f8fad5b-d9cb-469f-a165-70867728950e", "order 7 of today"])
def test_a_clients_request_id_is_kept_as_it_is(front: Front, backend: Backend, request_id: str) -> None:
    answer = front.post("/orders", "{}", "-H", f"x-request-id: {request_id}")
    assert answer.headers["x-request-id"] == request_id
    assert backend.seen.metadata["x-request-id"] == request_id


def test_a_request_id_is_made_where_there_is_none(front: Front, backend: Backend) -> None:
    made = front.post("/orders", "{}").headers["x-request-id"]
    assert made == backend.seen.metadata["x-request-id"]
    assert len(made) == 36


def test_a_reply_of_envoy_itself_carries_both_ids(front: Front) -> None:
    answer = front.curl("/nope")
    assert TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert answer.headers["x-request-id"]


def test_a_grpc_client_is_told_both_ids(front: Front) -> None:
    with grpc.insecure_channel(front.target) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        _, call = stub.CreateOrder.with_call(orders_pb2.CreateOrderRequest(), metadata=[("x-request-id", "mine")])
    metadata = dict(call.initial_metadata())
    assert metadata["x-request-id"] == "mine"
    assert TRACEPARENT.fullmatch(metadata["traceparent"])


def test_the_access_log_names_request_trace_and_outcome(front: Front) -> None:
    answer = front.post("/orders", '{"customerId":"refused"}', "-H", "x-request-id: logged-1")
    line = front.access_line("logged-1")
    assert line["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/orders", 400)
    assert line["rpc"] == "/ordermesh.orders.v1.OrderService/CreateOrder"
    assert line["details"] == "via_upstream"
    assert "grpc_status" not in line
    assert line["upstream_host"].endswith(".sock")
    assert line["duration_ms"] >= 0


def test_the_access_log_names_the_status_of_a_grpc_call(front: Front) -> None:
    with grpc.insecure_channel(front.target) as channel:
        call = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder.future(
            orders_pb2.CreateOrderRequest(customer_id="refused"), metadata=[("x-request-id", "logged-3")]
        )
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
    line = front.access_line("logged-3")
    assert (line["status"], line["grpc_status"]) == (200, "InvalidArgument")


def test_the_access_log_says_why_envoy_refused(front: Front) -> None:
    front.curl("/orders?colour=red", "-H", "x-request-id: logged-2")
    assert front.access_line("logged-2")["details"] == "early_grpc_json_transcode_failure{INVALID_ARGUMENT}"


def test_a_client_cannot_ask_for_retries_or_claim_what_only_envoy_knows(front: Front, backend: Backend) -> None:
    claims = (
        "x-envoy-retry-on: 5xx",
        "x-envoy-upstream-rq-timeout-ms: 1",
        "x-envoy-internal: true",
        "x-envoy-original-path: /x",
    )
    answer = front.post("/orders", "{}", *(word for claim in claims for word in ("-H", claim)))
    assert answer.status == 200
    assert backend.seen.metadata["x-envoy-original-path"] == "/orders"
    assert {"x-envoy-retry-on", "x-envoy-internal", "x-envoy-upstream-rq-timeout-ms"}.isdisjoint(backend.seen.metadata)
