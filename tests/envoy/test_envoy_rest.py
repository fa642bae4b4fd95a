from __future__ import annotations

import pytest
from envoy_backend import CREATED_AT, ORDER_ID, Backend
from envoy_front import Answer, Front
from ordermesh.orders.v1 import orders_pb2

ORDER = (
    '{"customerId":"cust-123","items":[{"productId":"p1","quantity":2,"price":10},'
    '{"productId":"p2","quantity":1,"price":50}]}'
)


def test_creating_an_order_answers_the_exchange_that_users_know(front: Front, backend: Backend) -> None:
    answer = front.post("/orders", ORDER)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "orderId": ORDER_ID,
        "customerId": "cust-123",
        "status": "CREATED",
        "totalPrice": 70,
        "createdAt": "2026-03-11T22:00:00Z",
        "updatedAt": "2026-03-11T22:00:00Z",
        "items": [
            {"productId": "p1", "quantity": 2, "price": 10},
            {"productId": "p2", "quantity": 1, "price": 50},
        ],
        "revision": "",
    }


def test_rest_is_spoken_over_http_2_too(front: Front) -> None:
    assert front.post("/orders", ORDER, "--http2-prior-knowledge").json["totalPrice"] == 70


def test_a_rest_reply_carries_no_headers_of_grpc(front: Front) -> None:
    for answer in (
        front.post("/orders", ORDER),
        front.curl("/orders"),
        front.post("/orders", '{"customerId":"refused"}'),
    ):
        assert not [name for name in answer.headers if name.startswith("grpc-")]


def test_listing_orders_answers_a_json_array_of_exactly_five_fields(front: Front) -> None:
    answer = front.curl("/orders")
    assert answer.status == 200
    assert [set(order) for order in answer.json] == [{"orderId", "customerId", "status", "totalPrice", "createdAt"}] * 2


def test_listing_no_orders_answers_an_empty_array(front: Front) -> None:
    assert front.curl("/orders?customerId=nobody").body == b"[]"


def test_the_next_page_is_named_in_the_link_header(front: Front) -> None:
    assert front.curl("/orders").headers["link"] == '</orders?pageToken=abc>; rel="next"'


def test_times_and_statuses_are_read_from_the_query(front: Front, backend: Backend) -> None:
    front.curl("/v1/orders?startTime=2026-03-11T22:00:00Z&status=PAID&pageSize=7")
    expected = orders_pb2.ListOrdersRequest(start_time=CREATED_AT, status=orders_pb2.Order.PAID, page_size=7)
    assert backend.seen.request == expected


def test_a_page_of_several_megabytes_is_transcoded(front: Front) -> None:
    answer = front.curl("/v1/orders?pageSize=300")
    assert (answer.status, len(answer.json["orders"])) == (200, 300)
    assert len(answer.body) > 3_000_000


def test_numbers_of_64_bits_are_strings_and_defaults_are_printed(front: Front) -> None:
    assert front.curl("/v1/products/p7").json == {
        "productId": "p7",
        "name": "",
        "price": 0,
        "tracked": False,
        "stock": "0",
        "awaited": "0",
        "createdAt": "2026-03-11T22:00:00Z",
    }


def test_each_service_answers_at_its_rest_paths(front: Front) -> None:
    assert front.curl("/v1/analytics/sales-summary").json["ordersTotal"] == "1"
    assert front.post("/v1/orders:batchCreate", '{"requests":[{},{}]}').json["acceptedCount"] == 2


def test_watching_the_status_answers_server_sent_events(front: Front) -> None:
    answer = front.curl("/v1/pipeline/status:watch?intervalMs=2")
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.body.decode().strip().split("\n\n")
    begins = [event.split(",")[0] for event in events]
    assert begins == ['id: 1\ndata: {"revision":"1"', 'id: 2\ndata: {"revision":"2"']


def test_an_error_of_a_service_keeps_its_details_as_json(front: Front) -> None:
    for answer in (front.post("/orders", '{"customerId":"refused"}'), front.curl("/orders?customerId=refused")):
        assert answer.status == 400
        assert answer.json["code"] == 3
        assert answer.json["message"] == '1 field is invalid: items[0].quantity: must be "1" or more'
        info, request = answer.json["details"]
        assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
        assert (info["reason"], info["domain"]) == ("INVALID_FIELD", "ordermesh")
        assert request["fieldViolations"][0]["field"] == "items[0].quantity"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/orders?colour=red", '"colour"'),
        ("/orders?status=NOPE", '"NOPE"'),
        ("/orders?startTime=yesterday", "startTime: invalid value"),
        ("/orders?pageSize=many", "pageSize: invalid value"),
        ("/orders?page_size=many", "pageSize: invalid value"),
    ],
)
def test_a_bad_query_parameter_is_named(front: Front, path: str, said: str) -> None:
    answer = front.curl(path)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert set(answer.json) == {"code", "message", "details"}
    assert answer.json["code"] == 3
    assert said in answer.json["message"]


@pytest.mark.parametrize("body", ["{bad", "[1,2]", '{"items":7}', '{"items":[{"quantity":1e400}]}', "\x01"])
def test_a_body_that_is_no_such_json_is_refused_with_the_reason(front: Front, body: str) -> None:
    answer = front.post("/orders", body)
    assert (answer.status, answer.json["code"], reason_of(answer)) == (400, 3, "MALFORMED_REQUEST")
    assert answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("GET", "/docsx"),
        ("GET", "/v1/orders/a/b"),
        ("POST", "/v1/orders/a/b:cancel"),
        ("POST", "/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress"),
        ("POST", "/ordermesh.orders.v1.OrderService/NoSuchMethod"),
        ("GET", "/stats/prometheus"),
    ],
)
def test_a_path_that_does_not_exist_is_named(front: Front, method: str, path: str) -> None:
    answer = front.curl(path, "-X", method, "-H", "content-type: application/json")
    assert (answer.status, answer.json["code"], reason_of(answer)) == (404, 5, "PATH_NOT_FOUND")
    assert answer.json["message"] == f"no such path: {method} {path}; see /docs for the paths"


def reason_of(answer: Answer) -> str:
    """Return the reason of an error, which has the shape of every error."""
    assert set(answer.json) == {"code", "message", "details"}
    info = answer.json["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["domain"] == "ordermesh"
    return str(info["reason"])


def test_a_request_that_is_no_http_is_refused_in_json(front: Front) -> None:
    answer = front.curl("/orders", "-X", "BREW")
    assert (answer.status, answer.json["code"], reason_of(answer)) == (400, 3, "MALFORMED_REQUEST")
    assert answer.json["message"] == "malformed request (http1.codec_error)"


def test_pages_come_from_the_gateway_as_they_are(front: Front) -> None:
    for path in ("/", "/docs", "/docs/swagger.css", "/openapi.json", "/descriptor.binpb", "/static/a.js"):
        answer = front.curl(path)
        assert (answer.status, answer.body) == (200, f"page {path}".encode())


def test_a_page_of_this_machine_may_call_and_another_may_not(front: Front) -> None:
    def asked_from(origin: str) -> str | None:
        preflight = ("-X", "OPTIONS", "-H", f"origin: {origin}", "-H", "access-control-request-method: POST")
        return front.curl("/orders", *preflight).headers.get("access-control-allow-origin")

    assert asked_from("http://localhost:3000") == "http://localhost:3000"
    assert asked_from("http://127.0.0.1") == "http://127.0.0.1"
    assert asked_from("http://localhost.example.com") is None
