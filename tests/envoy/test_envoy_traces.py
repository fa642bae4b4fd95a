from __future__ import annotations

import re

import grpc
import pytest
from envoy_backend import Backend
from envoy_front import Front
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from runtime.telemetry import trace_context

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
SPAN_ID = "00f067aa0ba902b7"
# W3C Trace Context, sections 3.2.2 and 4.3.
MALFORMED = [
    "garbage",
    "00",
    f"00-{'0' * 32}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID.upper()}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-0G",
    f"00-{TRACE_ID}-{SPAN_ID}-0A",
    f"00-{TRACE_ID}-{SPAN_ID}",
    f"00-{TRACE_ID}-{SPAN_ID}-1",
    f"00-{TRACE_ID}-{SPAN_ID}-01-",
    f"00-{TRACE_ID}-{SPAN_ID}-01-what-the-future-brings",
    f"00-{TRACE_ID}-{SPAN_ID}-012",
    f"0-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID[:-1]}-{SPAN_ID}0-01",
    f"00_{TRACE_ID}_{SPAN_ID}_01",
    f"ff-{TRACE_ID}-{SPAN_ID}-01",
    f"ff-{TRACE_ID}-{SPAN_ID}-01-more",
    f"FF-{TRACE_ID}-{SPAN_ID}-01",
    f"0A-{TRACE_ID}-{SPAN_ID}-01",
    f"01-{'0' * 32}-{SPAN_ID}-01-more",
    f"01-{TRACE_ID}-{'0' * 16}-01",
    f"01-{TRACE_ID}-{SPAN_ID}-01.more",
    f"01-{TRACE_ID}-{SPAN_ID}-012",
    f"01-{TRACE_ID}-{SPAN_ID}-0",
    f"01-{TRACE_ID}-{SPAN_ID}",
]
LATER = [
    f"01-{TRACE_ID}-{SPAN_ID}-01",
    f"cc-{TRACE_ID}-{SPAN_ID}-01",
    f"fe-{TRACE_ID}-{SPAN_ID}-01-",
    f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-brings",
    f"01-{TRACE_ID}-{SPAN_ID}-01-{'0' * 32}-{'0' * 16}",
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
def test_a_malformed_traceparent_is_ignored_with_its_tracestate(front: Front, backend: Backend, malformed: str) -> None:
    answer = front.post("/orders", "{}", "-H", f"traceparent: {malformed}", "-H", "tracestate: shop=1")
    assert TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert TRACE_ID not in answer.headers["traceparent"]
    assert answer.headers["traceparent"] == backend.seen.metadata["traceparent"]
    assert not backend.seen.metadata.get("tracestate")
    assert trace_context.parse(malformed) is None


@pytest.mark.parametrize("later", LATER)
def test_of_a_later_version_what_is_known_is_read_and_passed_on_as_version_00(
    front: Front, backend: Backend, later: str
) -> None:
    answer = front.post("/orders", "{}", "-H", f"traceparent: {later}", "-H", "tracestate: shop=1")
    assert re.fullmatch(f"00-{TRACE_ID}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert answer.headers["traceparent"] == backend.seen.metadata["traceparent"]
    assert backend.seen.metadata["tracestate"] == "shop=1"
    assert trace_context.parse(later) == trace_context.TraceContext(TRACE_ID, SPAN_ID, True)


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_of_the_flags_only_sampled_counts(front: Front, backend: Backend, flags: str, sampled: bool) -> None:
    sent = f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
    front.post("/orders", "{}", "-H", f"traceparent: {sent}")
    passed_on = trace_context.parse(backend.seen.metadata["traceparent"])
    assert passed_on is not None
    assert (passed_on.trace_id, passed_on.sampled) == (TRACE_ID, sampled)
    assert trace_context.parse(sent) == trace_context.TraceContext(TRACE_ID, SPAN_ID, sampled)


def test_two_traceparents_are_none_and_a_tracestate_alone_is_dropped(front: Front, backend: Backend) -> None:
    one, two = (f"traceparent: 00-{TRACE_ID}-{span}-01" for span in (SPAN_ID, SPAN_ID[::-1]))
    answer = front.post("/orders", "{}", "-H", one, "-H", two)
    assert TRACE_ID not in answer.headers["traceparent"]
    front.post("/orders", "{}", "-H", "tracestate: shop=1")
    assert not backend.seen.metadata.get("tracestate")


def test_the_parts_of_a_tracestate_are_joined_in_order(front: Front, backend: Backend) -> None:
    sent = f"traceparent: 00-{TRACE_ID}-{SPAN_ID}-01"
    front.post("/orders", "{}", "-H", sent, "-H", "tracestate: shop=1", "-H", "tracestate: bank=2,mail=3")
    assert backend.seen.metadata["tracestate"] == "shop=1,bank=2,mail=3"


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
    assert line["trace.id"] == answer.headers["traceparent"].split("-")[1]
    assert (line["http.request.method"], line["url.path"], line["http.response.status_code"]) == (
        "POST",
        "/orders",
        400,
    )
    assert line["envoy.rpc"] == "/ordermesh.orders.v1.OrderService/CreateOrder"
    assert line["envoy.response_code_details"] == "via_upstream"
    assert "envoy.grpc_status" not in line
    assert line["envoy.upstream_host"].endswith(".sock")
    assert line["envoy.duration_ms"] >= 0


def test_the_access_log_names_the_status_of_a_grpc_call(front: Front) -> None:
    with grpc.insecure_channel(front.target) as channel:
        call = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder.future(
            orders_pb2.CreateOrderRequest(customer_id="refused"), metadata=[("x-request-id", "logged-3")]
        )
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
    line = front.access_line("logged-3")
    assert (line["http.response.status_code"], line["envoy.grpc_status"]) == (200, "InvalidArgument")


def test_the_access_log_says_why_envoy_refused(front: Front) -> None:
    front.curl("/orders?colour=red", "-H", "x-request-id: logged-2")
    assert (
        front.access_line("logged-2")["envoy.response_code_details"]
        == "early_grpc_json_transcode_failure{INVALID_ARGUMENT}"
    )


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
