"""Every public RPC, by REST and by gRPC, through what the front proxy says of itself; nothing internal."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import urllib.parse
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from bad_records import dead_letter
from front_proxy import ITEM, Platform, rest_form
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ordermesh.orders.v1 import orders_pb2

PUBLIC = [
    "ordermesh.analytics.v1.AnalyticsService",
    "ordermesh.gateway.v1.DeadLetterService",
    "ordermesh.gateway.v1.OrderTimelineService",
    "ordermesh.gateway.v1.PipelineService",
    "ordermesh.gateway.v1.WatchService",
    "ordermesh.orders.v1.InventoryService",
    "ordermesh.orders.v1.OrderService",
]
numbers = itertools.count(1)


def order_id(platform: Platform, *steps: str) -> dict[str, Any]:
    """Return the request for an order that has gone through the steps."""
    made = platform.order("cust-rpc")["orderId"]
    for step in steps:
        assert platform.post(f"/v1/orders/{made}:{step}", {}).status == 200
    return {"orderId": made}


def order(platform: Platform) -> dict[str, Any]:
    """Return the request for a new order."""
    return {"customerId": "cust-rpc", "items": [ITEM]}


def product(platform: Platform) -> dict[str, Any]:
    """Return the request for a new product."""
    return {"productId": f"rpc-{next(numbers)}", "name": "Lamp", "price": 1.5, "tracked": True, "stock": 1}


def restock(platform: Platform) -> dict[str, Any]:
    """Return the request for more of a new product."""
    made = product(platform)
    assert platform.post("/v1/products", made).status == 200
    return {"productId": made["productId"], "quantity": 5}


def letter(platform: Platform) -> dict[str, Any]:
    """Return the request for a new dead letter."""
    return {"deadLetterId": dead_letter(platform, "stock", b"\xff")}


def nothing(platform: Platform) -> dict[str, Any]:
    """Return an empty request."""
    return {}


CASES: dict[str, Callable[[Platform], dict[str, Any]]] = {
    "ordermesh.analytics.v1.AnalyticsService.ListMetrics": lambda platform: {"pageSize": 2},
    "ordermesh.analytics.v1.AnalyticsService.GetSalesSummary": nothing,
    "ordermesh.analytics.v1.AnalyticsService.TopProducts": lambda platform: {"limit": 3, "ranking": "REVENUE"},
    "ordermesh.analytics.v1.AnalyticsService.OrdersPerMinute": nothing,
    "ordermesh.gateway.v1.DeadLetterService.GetDeadLetterSummary": nothing,
    "ordermesh.gateway.v1.DeadLetterService.ListDeadLetters": lambda platform: {"pageSize": 1, "state": "DISCARDED"},
    "ordermesh.gateway.v1.DeadLetterService.GetDeadLetter": letter,
    "ordermesh.gateway.v1.DeadLetterService.RedriveDeadLetters": lambda platform: {"deadLetterIds": ["outbox.0"]},
    "ordermesh.gateway.v1.DeadLetterService.DiscardDeadLetters": lambda platform: {"deadLetterIds": ["outbox.0"]},
    "ordermesh.gateway.v1.DeadLetterService.ResumePartitions": nothing,
    "ordermesh.gateway.v1.OrderTimelineService.GetOrderTimeline": order_id,
    "ordermesh.gateway.v1.PipelineService.GetStatus": nothing,
    "ordermesh.gateway.v1.PipelineService.WatchStatus": lambda platform: {"intervalMs": 200},
    "ordermesh.gateway.v1.PipelineService.Reconcile": lambda platform: {"waitSeconds": 30},
    "ordermesh.gateway.v1.WatchService.WatchOrders": lambda platform: {"heartbeatMs": 500},
    "ordermesh.gateway.v1.WatchService.WatchMetrics": lambda platform: {"intervalMs": 200},
    "ordermesh.orders.v1.InventoryService.ListProducts": lambda platform: {"pageSize": 2},
    "ordermesh.orders.v1.InventoryService.GetProduct": lambda platform: {"productId": "p1"},
    "ordermesh.orders.v1.InventoryService.CreateProduct": product,
    "ordermesh.orders.v1.InventoryService.RestockProduct": restock,
    "ordermesh.orders.v1.OrderService.CreateOrder": order,
    "ordermesh.orders.v1.OrderService.BatchCreateOrders": lambda platform: {"requests": [order(platform)]},
    "ordermesh.orders.v1.OrderService.GetOrder": order_id,
    "ordermesh.orders.v1.OrderService.StreamOrders": lambda platform: {"pageSize": 1},
    "ordermesh.orders.v1.OrderService.ListOrders": lambda platform: {"pageSize": 1, "status": "CREATED"},
    "ordermesh.orders.v1.OrderService.CancelOrder": order_id,
    "ordermesh.orders.v1.OrderService.CompletePayment": order_id,
    "ordermesh.orders.v1.OrderService.ShipOrder": lambda platform: order_id(platform, "completePayment"),
}


def test_every_public_method_is_tried_here(platform: Platform) -> None:
    methods = [method.full_name for name in PUBLIC for method in platform.service(name).methods]
    assert sorted(CASES) == sorted(methods)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_method_answers_over_grpc_by_reflection(platform: Platform, name: str) -> None:
    platform.order("cust-rpc")
    method = platform.pool.FindMethodByName(name)
    assert platform.call(method, CASES[name](platform))


@pytest.mark.parametrize("name", [name for name in sorted(CASES) if ".Watch" not in name.replace("WatchService", "")])
def test_a_method_answers_over_rest_as_its_contract_says(platform: Platform, name: str) -> None:
    platform.order("cust-rpc")
    method = platform.pool.FindMethodByName(name)
    verb, path, left = rest_form(method, CASES[name](platform))
    if verb == "GET":
        answer = platform.curl(f"{path}?{urllib.parse.urlencode(left)}" if left else path)
    else:
        answer = platform.post(path, left)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    assert "grpc-status" not in answer.headers
    for reply in answer.json if method.server_streaming else [answer.json]:
        json_format.ParseDict(reply, GetMessageClass(method.output_type)())
        assert reply


def test_the_status_is_watched_over_rest_as_server_sent_events(platform: Platform) -> None:
    url = f"{platform.stack.rest}/v1/pipeline/status:watch?intervalMs=200"
    with subprocess.Popen(["curl", "-sN", "--max-time", "30", url], stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        events = (json.loads(line[5:]) for line in watching.stdout if line.startswith(b"data:"))
        first, second = next(events), next(events)
        watching.terminate()
    assert int(second["revision"]) > int(first["revision"])
    names = {one["name"] for one in second["status"]["components"]}
    assert {"orders", "analytics", "kafka"} <= names


def test_an_order_is_created_over_grpc_web(platform: Platform) -> None:
    item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=2)
    message = orders_pb2.CreateOrderRequest(customer_id="cust-web", items=[item]).SerializeToString()
    answer = platform.curl(
        "/ordermesh.orders.v1.OrderService/CreateOrder",
        *("-H", "content-type: application/grpc-web+proto", "-H", "x-grpc-web: 1"),
        data=b"\0" + len(message).to_bytes(4, "big") + message,
    )
    assert answer.headers["content-type"].startswith("application/grpc-web")
    size = int.from_bytes(answer.body[1:5], "big")
    reply = orders_pb2.Order.FromString(answer.body[5 : 5 + size])
    trailers = answer.body[5 + size :]
    assert (reply.customer_id, reply.total_price, trailers[0]) == ("cust-web", 2, 0x80)
    assert b"grpc-status:0" in trailers.replace(b" ", b"")


def test_reflection_lists_the_public_services_only(platform: Platform) -> None:
    own = [name for name in platform.services() if name.startswith("ordermesh.")]
    assert own == PUBLIC
    with pytest.raises(KeyError):
        platform.service("ordermesh.internal.v1.OrderLedgerService")


def test_an_internal_method_cannot_be_called(platform: Platform) -> None:
    call = platform.channel.unary_unary("/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"", timeout=10)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    answer = platform.post("/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress", {})
    assert (answer.status, answer.json["code"]) == (404, 5)


@pytest.mark.parametrize("name", ["", *PUBLIC])
def test_health_is_told_by_the_name_of_the_service(platform: Platform, name: str) -> None:
    health = health_pb2_grpc.HealthStub(platform.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    assert health.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_a_service_that_does_not_exist_is_not_found(platform: Platform) -> None:
    health = health_pb2_grpc.HealthStub(platform.channel)
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="ordermesh.nope.v1.Nope"), timeout=10)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(("path", "holds"), [("/", b"<html"), ("/docs", b"swagger"), ("/healthz", b"")])
def test_a_page_is_served(platform: Platform, path: str, holds: bytes) -> None:
    answer = platform.curl(path)
    assert answer.status == 200
    assert holds in answer.body.lower()


def test_what_the_docs_page_loads_is_served(platform: Platform) -> None:
    loads = re.findall(rb'(?:src|href)="(/[^"]+)"', platform.curl("/docs").body)
    assert loads
    assert {path.decode(): platform.curl(path.decode()).status for path in loads} == {
        path.decode(): 200 for path in loads
    }


def test_the_openapi_document_has_every_rest_path_and_says_what_each_does(platform: Platform) -> None:
    document = platform.curl("/openapi.json").json
    assert document["openapi"].startswith("3.")
    documented = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    for name in CASES:
        method = platform.pool.FindMethodByName(name)
        places = {one.json_name: f"{{{one.json_name}}}" for one in method.input_type.fields}
        verb, path, _ = rest_form(method, places)
        assert (verb, path) in documented, name
        operation = document["paths"][path][verb.lower()]
        assert operation.get("summary") or operation.get("description"), name


def test_the_descriptor_set_is_served_for_clients_without_reflection(platform: Platform) -> None:
    files = FileDescriptorSet.FromString(platform.curl("/descriptor.binpb").body).file
    services = {f"{file.package}.{service.name}" for file in files for service in file.service}
    assert set(PUBLIC) <= services
    assert not [name for name in services if ".internal." in name]
