"""The exchange that users already send, as it is written down in the design and the README."""

from __future__ import annotations

import re
import uuid

import grpc
import pytest
from front_proxy import ITEM, Answer, Platform, await_true
from google.rpc import error_details_pb2
from grpc_status import rpc_status

BODY = {
    "customerId": "cust-123",
    "items": [{"productId": "p1", "quantity": 2, "price": 10}, {"productId": "p2", "quantity": 1, "price": 50}],
}
SUMMARY_FIELDS = ["orderId", "customerId", "status", "totalPrice", "createdAt"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z")
CREATE = "ordermesh.orders.v1.OrderService"


def test_an_order_is_answered_with_its_id_status_price_and_time(platform: Platform) -> None:
    answer = platform.post("/orders", BODY)
    reply = answer.json
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert {name: reply[name] for name in ("customerId", "status", "totalPrice", "items")} == {
        "customerId": "cust-123",
        "status": "CREATED",
        "totalPrice": 70,
        "items": BODY["items"],
    }
    assert uuid.UUID(reply["orderId"]).version == 7
    assert TIME.fullmatch(reply["createdAt"])
    assert platform.curl(f"/orders/{reply['orderId']}").json == reply


def test_the_list_of_an_empty_platform_is_an_empty_array(first_list: Answer) -> None:
    assert (first_list.status, first_list.headers["content-type"], first_list.json) == (200, "application/json", [])


def test_the_list_is_an_array_of_exactly_five_fields_newest_first(platform: Platform) -> None:
    made = [platform.order("cust-five")["orderId"] for _ in range(2)]
    listed = platform.curl("/orders?customerId=cust-five").json
    assert [list(one) for one in listed] == [SUMMARY_FIELDS] * 2
    assert [one["orderId"] for one in listed] == made[::-1]
    assert listed[0]["totalPrice"] == 20


def test_the_next_page_is_named_in_a_link_header_until_there_is_none(platform: Platform) -> None:
    made = {platform.order("cust-pages")["orderId"] for _ in range(3)}
    first = platform.curl("/orders?customerId=cust-pages&pageSize=2")
    link = re.fullmatch(r'<(/orders\?.*)>; rel="next"', first.headers["link"])
    assert link is not None
    second = platform.curl(link[1])
    assert "link" not in second.headers
    assert [len(first.json), len(second.json)] == [2, 1]
    assert {one["orderId"] for one in first.json + second.json} == made


def test_the_same_request_id_gives_the_first_answer_and_one_order(platform: Platform) -> None:
    first = platform.post("/orders", {**BODY, "customerId": "cust-again", "requestId": "r-1"})
    again = platform.post("/orders", {**BODY, "customerId": "cust-again", "requestId": "r-1"})
    assert again.json["orderId"] == first.json["orderId"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(platform.curl("/orders?customerId=cust-again").json) == 1


def test_the_same_request_id_with_other_content_is_refused(platform: Platform) -> None:
    platform.order("cust-other", requestId="r-1")
    before = platform.stored()
    answer = platform.post("/orders", {**BODY, "customerId": "cust-other", "requestId": "r-1"})
    assert (answer.status, answer.json["code"]) == (409, 6)
    assert answer.json["details"][0]["reason"] == "REQUEST_ID_REUSED"
    assert platform.stored() == before


def test_an_order_of_rest_is_read_over_grpc_and_the_other_way(platform: Platform) -> None:
    service = platform.service(CREATE)
    by_rest = platform.order("cust-both")
    assert platform.call(service.methods_by_name["GetOrder"], {"orderId": by_rest["orderId"]}) == by_rest
    by_grpc = platform.call(service.methods_by_name["CreateOrder"], {"customerId": "cust-both", "items": [ITEM]})
    assert platform.curl(f"/v1/orders/{by_grpc['orderId']}").json == by_grpc


def test_an_order_goes_through_its_states_and_no_other_way(platform: Platform) -> None:
    path = f"/v1/orders/{platform.order('cust-states')['orderId']}"
    assert platform.post(f"{path}:completePayment", {}).json["status"] == "PAID"
    assert platform.post(f"{path}:completePayment", {}).json["status"] == "PAID"
    assert platform.post(f"{path}:ship", {}).json["status"] == "SHIPPED"
    before = platform.stored()
    refused = platform.post(f"{path}:cancel", {})
    assert (refused.status, refused.json["code"]) == (400, 9)
    assert refused.json["details"][0]["reason"] == "ILLEGAL_TRANSITION"
    assert platform.stored() == before


def test_an_order_that_lacks_stock_waits_and_a_restock_releases_it(platform: Platform) -> None:
    product = {"productId": "e2e-tracked", "name": "Lamp", "price": 5, "tracked": True, "stock": 1}
    assert platform.post("/v1/products", product).status == 200
    item = {"productId": "e2e-tracked", "quantity": 3, "price": 5}
    waiting = platform.order("cust-stock", items=[item])
    assert waiting["status"] == "PENDING_RESTOCK"
    assert platform.post("/v1/products/e2e-tracked:restock", {"quantity": 2}).status == 200
    path = f"/orders/{waiting['orderId']}"
    await_true(lambda: platform.curl(path).json["status"] == "CREATED", "the waiting order got its stock")


def test_a_batch_answers_for_each_order_on_its_own(platform: Platform) -> None:
    good = {"customerId": "cust-batch", "items": [ITEM]}
    answer = platform.post("/v1/orders:batchCreate", {"requests": [good, {**good, "items": []}, good]})
    assert answer.json["acceptedCount"] == 2
    outcomes = answer.json["results"]
    assert [next(iter(one)) for one in outcomes] == ["order", "error", "order"]
    assert "items" in outcomes[1]["error"]["message"]
    assert len(platform.curl("/orders?customerId=cust-batch").json) == 2


def test_what_was_ordered_is_counted_and_both_ends_agree(platform: Platform) -> None:
    before = platform.curl("/v1/analytics/sales-summary").json
    platform.order("cust-counted")
    assert platform.reconcile() == "AGREES []"
    after = platform.curl("/v1/analytics/sales-summary").json
    assert int(after["ordersTotal"]) > int(before["ordersTotal"])


def test_an_error_over_grpc_names_the_reason_and_every_field(platform: Platform) -> None:
    create = platform.service(CREATE).methods_by_name["CreateOrder"]
    with pytest.raises(grpc.RpcError) as raised:
        platform.call(create, {"items": [{**ITEM, "quantity": 0}]})
    status = rpc_status.from_call(raised.value)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (raised.value.code(), info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert [one.field for one in request.field_violations] == ["customer_id", "items[0].quantity"]
