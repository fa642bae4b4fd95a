"""What a client can get wrong: each gets an error that names it, and nothing is changed by it."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import grpc
import pytest
from front_proxy import ITEM, JSON, Answer, Platform, curl

ORDER = {"customerId": "cust-bad", "items": [ITEM]}
ID = "019a0000-0000-7000-8000-000000000000"


def with_item(**changed: object) -> dict[str, Any]:
    """Return an order whose one item is changed."""
    return {**ORDER, "items": [{**ITEM, **changed}]}


def without(field: str) -> dict[str, Any]:
    """Return an order whose one item lacks a field."""
    return {**ORDER, "items": [{name: value for name, value in ITEM.items() if name != field}]}


BODIES: list[tuple[str, object, str]] = [
    ("/orders", {**ORDER, "items": []}, "items: must have 1 to 1000 items, has 0"),
    ("/orders", {"customerId": "cust-bad"}, "items: must have 1 to 1000 items, has 0"),
    ("/orders", {"items": [ITEM]}, "customerId: must have"),
    ("/orders", {**ORDER, "customerId": "with a space"}, "customerId: must have"),
    ("/orders", {**ORDER, "customerId": "c" * 129}, "customerId: must have"),
    ("/orders", {**ORDER, "requestId": "r" * 65}, "requestId: must have 1 to 64"),
    ("/orders", {**ORDER, "items": [ITEM] * 1001}, "items: must have 1 to 1000 items, has 1001"),
    ("/orders", with_item(quantity=0), "items[0].quantity: must be 1 to 1000000, is 0"),
    ("/orders", with_item(quantity=-3), "items[0].quantity: must be 1 to 1000000, is -3"),
    ("/orders", with_item(quantity=1_000_001), "items[0].quantity: must be 1 to 1000000"),
    ("/orders", with_item(quantity=2**40), "items[0].quantity: invalid value"),
    ("/orders", with_item(quantity=1.5), "items[0].quantity"),
    ("/orders", with_item(quantity="two"), "items[0].quantity: invalid value"),
    ("/orders", without("quantity"), "items[0].quantity: must be 1 to 1000000, is 0"),
    ("/orders", with_item(price=-0.01), "items[0].price: must be 0 to"),
    ("/orders", with_item(price=1.005), "items[0].price: must have at most two decimals, is 1.005"),
    ("/orders", with_item(price="NaN"), "items[0].price: must be 0 to"),
    ("/orders", with_item(price="Infinity"), "items[0].price: must be 0 to"),
    ("/orders", with_item(price="-Infinity"), "items[0].price: must be 0 to"),
    ("/orders", with_item(price=1e300), "items[0].price: must be 0 to"),
    ("/orders", without("price"), "items[0].price: is required"),
    (
        "/orders",
        {**ORDER, "items": [{**ITEM, "quantity": 10**6, "price": 10**7}]},
        "items: must have a total of at most",
    ),
    ("/orders", with_item(productId="no-such-product"), 'items[0].productId: no product "no-such-product"'),
    ("/orders", with_item(productId=""), "items[0].productId: must have"),
    ("/orders", with_item(productId="p1; DROP TABLE orders"), "items[0].productId: must have"),
    ("/orders", {**ORDER, "items": "p1"}, "items"),
    ("/v1/orders:batchCreate", {}, "requests: must have 1 to 1000 orders, has 0"),
    ("/v1/orders:batchCreate", {"requests": [ORDER] * 1001}, "requests: must have 1 to 1000 orders, has 1001"),
    ("/v1/orders/no-uuid:cancel", {}, "orderId: must be a UUID"),
    ("/v1/orders/no-uuid:completePayment", {}, "orderId: must be a UUID"),
    ("/v1/orders/no-uuid:ship", {}, "orderId: must be a UUID"),
    ("/v1/products", {"productId": "bad", "name": "Lamp"}, "price: is required"),
    ("/v1/products", {"productId": "bad", "name": "", "price": 1}, "name: must have 1 to 200"),
    ("/v1/products", {"productId": "bad", "name": "Lamp", "price": 1, "stock": 5}, "stock: must be 0 unless tracked"),
    ("/v1/products", {"productId": "b d", "name": "Lamp", "price": 1}, "productId: must have"),
    ("/v1/products/p100:restock", {"quantity": 0}, "quantity: must be 1 to"),
    ("/v1/products/p100:restock", {"quantity": -7}, "quantity: must be 1 to"),
    ("/v1/products/p100:restock", {"quantity": "9" * 30}, "quantity"),
    ("/v1/pipeline:reconcile", {"waitSeconds": -1}, "waitSeconds: must be"),
]
QUERIES: list[tuple[str, str]] = [
    ("/orders?colour=red", '"colour"'),
    ("/v1/orders?colour=red", '"colour"'),
    ("/orders?status=BREWED", 'status: invalid value "BREWED"'),
    ("/v1/orders?status=99", 'status: invalid value "99"'),
    ("/orders?pageSize=-1", "pageSize: must be 1 to 1000"),
    ("/orders?pageSize=1001", "pageSize: must be 1 to 1000"),
    ("/orders?pageSize=many", "pageSize: invalid value"),
    ("/orders?pageToken=no-token", "pageToken: is not a token of this method"),
    ("/v1/orders?customerId=%ff", "strings in UTF-8"),
    ("/v1/analytics/metrics?metricName=%ff", "strings in UTF-8"),
    ("/v1/products/%ff", ""),
    ("/orders?startTime=yesterday", "startTime: invalid value"),
    ("/orders?customerId=a%20b", "customerId: must have"),
    ("/orders/no-uuid", "orderId: must be a UUID"),
    ("/v1/orders/123", "orderId: must be a UUID"),
    ("/v1/products?pageToken=no-token", "pageToken"),
    ("/v1/analytics/metrics?metricName=no_such_metric", "metricName: must be"),
    ("/v1/analytics/metrics?pageToken=no-token", "pageToken"),
    ("/v1/analytics/top-products?ranking=LOUDEST", "ranking: invalid value"),
    ("/v1/analytics/top-products?limit=-1", "limit: must be"),
    ("/v1/analytics/orders-per-minute?startTime=soon", "startTime"),
    ("/v1/pipeline/status:watch?intervalMs=-1", "intervalMs: must be"),
]
TEXTS: list[bytes] = [
    b"{bad",
    b"",
    b"[1, 2]",
    b"null",
    b'"text"',
    b"\x00\xff\xfe",
    b'{"items": [{"price": 1e400}]}',
    b"{}}",
]


def assert_names(answer: Answer, said: str) -> None:
    """Fail unless a reply has the shape of every error and names what is wrong."""
    assert answer.status == 400, answer
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"code", "message", "details"}
    assert answer.json["code"] == 3
    assert said in answer.json["message"]


@pytest.mark.parametrize(("path", "body", "said"), BODIES)
def test_a_wrong_field_is_named_and_nothing_is_stored(platform: Platform, path: str, body: object, said: str) -> None:
    before = platform.stored()
    assert_names(platform.post(path, body), said)
    assert platform.stored() == before


@pytest.mark.parametrize(("path", "said"), QUERIES)
def test_a_wrong_parameter_is_named(platform: Platform, path: str, said: str) -> None:
    assert_names(platform.curl(path), said)


@pytest.mark.parametrize("text", TEXTS)
def test_a_body_that_is_no_order_is_refused_with_a_reason(platform: Platform, text: bytes) -> None:
    before = platform.stored()
    answer = platform.curl("/orders", "-X", "POST", "-H", JSON, data=text)
    assert_names(answer, "")
    assert answer.json["message"].strip()
    assert platform.stored() == before


def test_a_page_token_of_another_query_is_refused(platform: Platform) -> None:
    for _ in range(2):
        platform.order("cust-token")
    token = platform.curl("/v1/orders?customerId=cust-token&pageSize=1").json["nextPageToken"]
    assert platform.curl(f"/v1/orders?customerId=cust-token&pageSize=1&pageToken={token}").status == 200
    answer = platform.curl(f"/v1/orders?customerId=cust-bad&pageToken={token}")
    assert_names(answer, "pageToken: belongs to other filters")
    assert answer.json["details"][0]["reason"] == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(
    ("path", "reason"), [(f"/orders/{ID}", "ORDER_NOT_FOUND"), ("/v1/products/no-such-product", "PRODUCT_NOT_FOUND")]
)
def test_what_does_not_exist_is_named(platform: Platform, path: str, reason: str) -> None:
    answer = platform.curl(path)
    assert (answer.status, answer.json["code"]) == (404, 5)
    assert answer.json["details"][0]["reason"] == reason
    assert path.rpartition("/")[2] in answer.json["message"]


def test_all_that_is_wrong_is_named_at_once_and_the_rest_is_counted(platform: Platform) -> None:
    items = [{**ITEM, "quantity": 0, "price": -1}] * 30
    answer = platform.post("/orders", {"customerId": "", "items": items})
    info, request = answer.json["details"]
    assert (info["metadata"]["violations"], len(request["fieldViolations"])) == ("61", 20)
    assert answer.json["message"].startswith("61 fields are invalid: customerId: ")
    assert request["fieldViolations"][0]["field"] == "customerId"


def test_a_batch_names_fields_as_its_client_does(platform: Platform) -> None:
    wrong = {**with_item(productId=""), "customerId": ""}
    results = platform.post("/v1/orders:batchCreate", {"requests": [wrong, with_item(productId="none-such")]}).json
    details = [result["error"]["details"] for result in results["results"]]
    fields = [violation["field"] for each in details for violation in each[1]["fieldViolations"]]
    assert fields == ["customerId", "items[0].productId", "items[0].productId"]
    create = platform.service("ordermesh.orders.v1.OrderService").methods_by_name["CreateOrder"]
    with pytest.raises(grpc.RpcError) as raised:
        platform.call(create, wrong)
    assert "customer_id: must have" in str(raised.value.details())
    assert "items[0].product_id: must have" in str(raised.value.details())


def test_a_body_over_the_limit_is_refused_with_the_limit(platform: Platform) -> None:
    before = platform.stored()
    answer = platform.curl("/orders", "-H", JSON, data=b'{"customerId":"' + b"c" * 2**19 + b'"}')
    assert (answer.status, answer.json["code"]) == (413, 11)
    assert "262144 bytes" in answer.json["message"]
    assert platform.stored() == before


def test_headers_over_the_limit_are_refused_with_the_limit(platform: Platform) -> None:
    answer = platform.curl("/orders", "-H", f"x-large: {'x' * 20_000}")
    assert (answer.status, answer.json["code"]) == (431, 11)
    assert "12 KiB" in answer.json["message"]


def test_random_bytes_on_the_port_are_refused_and_the_next_client_is_served(platform: Platform) -> None:
    before = platform.stored()
    host, _, port = platform.stack.grpc.rpartition(":")
    for opening in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /orders HTTP/1.1\r\n"):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(opening + os.urandom(4096).replace(b"\n", b"x") + b"\n\n")
            try:
                reply = connection.recv(65_536)
            except ConnectionResetError:
                reply = b""
        assert not reply.startswith(b"HTTP/1.1 2")
        assert not reply.startswith(b"HTTP/1.1 5")
    assert platform.stored() == before
    assert platform.curl("/orders").status == 200


def test_random_bytes_in_a_call_are_refused_as_no_message(platform: Platform) -> None:
    before = platform.stored()
    call = platform.channel.unary_unary("/ordermesh.orders.v1.OrderService/CreateOrder")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"\xff" * 200, timeout=10)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "must be a valid message of the contract" in str(raised.value.details())
    assert platform.stored() == before


def test_a_path_that_does_not_exist_is_named(platform: Platform) -> None:
    answer = platform.curl("/nope")
    assert (answer.status, answer.json["code"], answer.json["details"][0]["reason"]) == (404, 5, "PATH_NOT_FOUND")
    assert "GET /nope" in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("DELETE", "/orders", "GET, HEAD, POST"), ("PUT", f"/orders/{ID}", "GET, HEAD")]
)
def test_a_method_that_a_path_does_not_have_is_named(platform: Platform, method: str, path: str, allowed: str) -> None:
    answer = platform.curl(path, "-X", method)
    assert (answer.status, answer.headers["allow"], answer.json["code"]) == (405, allowed, 12)
    assert answer.json["details"][0]["reason"] == "METHOD_NOT_ALLOWED"


def test_the_path_wins_over_body_and_query(platform: Platform) -> None:
    first, second = (platform.order("cust-path")["orderId"] for _ in range(2))
    before = platform.stored()
    assert_names(platform.post(f"/v1/orders/{first}:cancel?orderId={second}", {}), "query parameters are not allowed")
    assert_names(platform.post(f"/v1/orders/{first}:cancel", {"order_id": second}), "orderId")
    assert_names(platform.post(f"/v1/orders/{first}:cancel", {"orderId": second}), "orderId")
    assert_names(platform.post("/orders?customerId=cust-path", {"items": [ITEM]}), "query parameters are not allowed")
    assert_names(platform.curl("/v1/products/p1?productId=p2"), "not name a field of the path")
    assert platform.stored() == before


def test_an_unknown_json_field_is_ignored_as_the_docs_say(platform: Platform) -> None:
    answer = platform.post("/orders", {**ORDER, "colour": "red"})
    assert answer.status == 200
    assert "colour" not in json.dumps(answer.json)


def test_the_admin_of_envoy_is_not_behind_the_front_proxy(platform: Platform) -> None:
    for path in ("/quitquitquit", "/config_dump", "/stats"):
        assert platform.curl(path).status == 404
    assert curl(f"{platform.stack.addresses['envoy_stats']}/config_dump").status == 404
