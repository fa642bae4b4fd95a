"""The clients' view: each request is counted once, by its RPC method and code, whoever answered it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import grpc
from envoy_backend import ANALYTICS, ORDERS
from envoy_front import Front
from frontdoor.filters.authentication import keys_resource
from frontdoor.policies.identity import Keys
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from waiting import await_true

Start = Callable[..., Front]
# Method, protocol and code.
Seen = dict[tuple[str, str, str], int]
CREATE, SALES = f"{ORDERS}/CreateOrder", f"{ANALYTICS}/GetSalesSummary"
LINE = re.compile(r'^envoy_ordermesh_requests_total\{rpc_method="([^"]*)",protocol="([^"]*)",code="([^"]*)"\} (\d+)$')
ORDER = '{"customerId":"grace"}'


def seen(front: Front) -> Seen:
    """Return the requests that were counted."""
    text = front.curl("/stats/prometheus", port=front.stats_port).body.decode()
    found = (LINE.match(line) for line in text.splitlines())
    return {(each[1], each[2], each[3]): int(each[4]) for each in found if each}


def after(front: Front, before: Seen, expected: Seen) -> None:
    """Wait until exactly these requests were counted more than before."""

    def more() -> Seen:
        return {key: count - before.get(key, 0) for key, count in seen(front).items() if count != before.get(key, 0)}

    await_true(lambda: more() == expected, lambda: f"{more()} were counted, expected {expected}")


def call(front: Front, path: str = f"/{CREATE}", message: bytes = b"") -> grpc.StatusCode:
    """Make a gRPC call and return its code."""
    with grpc.insecure_channel(front.target) as channel:
        try:
            channel.unary_unary(path)(message, timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_rest_and_grpc_are_counted_by_the_same_method(front: Front) -> None:
    before = seen(front)
    assert front.post("/orders", ORDER).status == 200
    with grpc.insecure_channel(front.target) as channel:
        orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(orders_pb2.CreateOrderRequest(customer_id="grace"))
        analytics_pb2_grpc.AnalyticsServiceStub(channel).GetSalesSummary(analytics_pb2.GetSalesSummaryRequest())
    after(front, before, {(CREATE, "rest", "200"): 1, (CREATE, "grpc", "OK"): 1, (SALES, "grpc", "OK"): 1})


def test_the_time_of_each_request_is_in_a_histogram(front: Front) -> None:
    front.post("/orders", ORDER)
    labels = f'rpc_method="{CREATE}",protocol="rest",code="200"'

    def shown() -> bool:
        text = front.curl("/stats/prometheus", port=front.stats_port).body.decode()
        count = re.search(rf"^envoy_ordermesh_request_duration_ms_count\{{{labels}\}} (\d+)$", text, re.MULTILINE)
        return count is not None and int(count[1]) == seen(front)[CREATE, "rest", "200"] and 'le="1000"' in text

    await_true(shown, lambda: "the histogram holds every request")


def test_requests_that_reach_no_service_are_counted_for_the_method_that_they_were_for(front: Front) -> None:
    before = seen(front)
    assert front.post("/orders", "{").status == 400
    assert front.post("/orders?a=1", ORDER).status == 400
    assert front.curl("/orders", "-d", ORDER, "-H", "content-type: text/plain").status == 415
    after(front, before, {(CREATE, "rest", "400"): 2, (CREATE, "rest", "415"): 1})


def test_a_client_cannot_create_statistics(front: Front) -> None:
    before = seen(front)
    for number in range(3):
        assert call(front, f"/{ORDERS}/Invented{number}") is grpc.StatusCode.UNIMPLEMENTED
        assert front.curl(f"/invented/{number}").status == 404
    after(front, before, {("", "grpc", "UNIMPLEMENTED"): 3, ("", "rest", "404"): 3})


def test_requests_over_the_rate_limit_are_counted(start_front: Start) -> None:
    front = start_front(rate_limit_per_second=1)
    codes = [front.post("/orders", ORDER).status for _ in range(5)]
    refused = codes.count(429)
    assert refused
    expected: Seen = {(CREATE, "rest", "429"): refused}
    expected |= {(CREATE, "rest", "200"): codes.count(200)} if 200 in codes else {}
    while (code := call(front)) is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        expected[CREATE, "grpc", code.name] = expected.get((CREATE, "grpc", code.name), 0) + 1
    after(front, {}, expected | {(CREATE, "grpc", "RESOURCE_EXHAUSTED"): 1})


def test_requests_without_credentials_and_without_the_role_are_counted(start_front: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(keys_resource({"om_ann": "analyst:ann"})))
    front = start_front(identity=Keys(str(keys)))
    await_true(lambda: front.post("/orders", ORDER).status == 401, lambda: "keys are asked for")
    before = seen(front)
    assert front.post("/orders", ORDER).status == 401
    assert call(front) is grpc.StatusCode.UNAUTHENTICATED
    assert front.post("/orders", ORDER, "-H", "authorization: Bearer om_ann").status == 403
    expected = {(CREATE, "rest", "401"): 1, (CREATE, "grpc", "UNAUTHENTICATED"): 1, (CREATE, "rest", "403"): 1}
    after(front, before, expected)


def test_requests_for_a_service_that_is_down_are_counted(start_front: Start) -> None:
    front = start_front(change=lambda text: re.sub(r"orders-\d\.sock", "none.sock", text))
    assert front.post("/orders", ORDER).status == 503
    assert call(front) is grpc.StatusCode.UNAVAILABLE
    after(front, {}, {(CREATE, "rest", "503"): 1, (CREATE, "grpc", "UNAVAILABLE"): 1})
