"""What a customer can do with the orders of another one, in the service itself: nothing, and it learns nothing."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest, Order
from orders_world import World, open_world, order

from runtime.identity.caller import HEADER

ALICE, MALLORY = ((HEADER, "customer:alice"),), ((HEADER, "customer:mallory"),)
OPERATOR, ANALYST = ((HEADER, "operator:olga"),), ((HEADER, "analyst:anna"),)
DENIED, UNKNOWN, NOBODY = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED,
)


@pytest.fixture
async def closed(orders_dsn: str, run_folder: Path) -> AsyncIterator[World]:
    async with open_world(orders_dsn, run_folder / "closed.sock", authentication="keys") as world:
        yield world


async def refused(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status, info = rpc_status.from_call(caught.value), ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return caught.value.code(), caught.value.details() or "", info.reason


async def placed(world: World, customer: str = "alice", request_id: str = "") -> str:
    made = await world.service.CreateOrder(
        order(("p1", 1, 1), customer=customer, request_id=request_id), metadata=OPERATOR
    )
    return str(made.order_id)


async def test_nobody_is_let_in_without_the_header_of_the_front_proxy(closed: World) -> None:
    calls = [
        closed.service.CreateOrder(order(("p1", 1, 1))),
        closed.service.GetOrder(orders_pb2.GetOrderRequest(order_id=str(uuid.uuid4()))),
        closed.inventory.ListProducts(inventory_pb2.ListProductsRequest()),
        closed.service.StreamOrders(ListOrdersRequest()).read(),
        closed.service.CreateOrder(order(("p1", 1, 1)), metadata=(*ALICE, *OPERATOR)),
    ]
    for call in calls:
        code, _, reason = await refused(call)
        assert (code, reason) == (NOBODY, "UNAUTHENTICATED")


async def test_a_customer_places_orders_for_itself_only(closed: World) -> None:
    assert (
        await closed.service.CreateOrder(order(("p1", 1, 1), customer="alice"), metadata=ALICE)
    ).customer_id == "alice"
    code, told, reason = await refused(
        closed.service.CreateOrder(order(("p1", 1, 1), customer="alice"), metadata=MALLORY)
    )
    assert (code, reason) == (DENIED, "PERMISSION_DENIED")
    assert "customer_id" in told
    both = [order(("p1", 1, 1), customer=customer) for customer in ("alice", "mallory")]
    reply = await closed.service.BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest(requests=both), metadata=MALLORY)
    assert [each.error.code for each in reply.results] == [DENIED.value[0], 0]
    assert reply.accepted_count == 1
    assert await closed.value("SELECT count(*) FROM orders WHERE customer_id = 'alice'") == 1


async def test_an_order_of_another_customer_does_not_exist(closed: World) -> None:
    theirs, none = await placed(closed), str(uuid.uuid4())
    for call in (
        lambda order_id: closed.service.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id), metadata=MALLORY),
        lambda order_id: closed.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=order_id), metadata=MALLORY),
    ):
        foreign, missing = await refused(call(theirs)), await refused(call(none))
        assert foreign[0] == UNKNOWN
        assert (foreign[0], foreign[1].replace(theirs, none), foreign[2]) == missing
    own = await closed.service.GetOrder(orders_pb2.GetOrderRequest(order_id=theirs), metadata=ALICE)
    assert own.status == Order.CREATED
    cancelled = await closed.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=theirs), metadata=ALICE)
    assert cancelled.status == Order.CANCELLED


async def test_the_request_id_of_another_customer_returns_nothing_of_it(closed: World) -> None:
    theirs = await placed(closed, request_id="r-1")
    own = await closed.service.CreateOrder(order(("p1", 1, 1), customer="mallory", request_id="r-1"), metadata=MALLORY)
    assert own.order_id != theirs
    cancel = orders_pb2.CancelOrderRequest(order_id=theirs, request_id="c-1")
    await closed.service.CancelOrder(cancel, metadata=ALICE)
    assert (await refused(closed.service.CancelOrder(cancel, metadata=MALLORY)))[0] == UNKNOWN


async def test_a_customer_lists_its_own_orders_and_no_others(closed: World) -> None:
    await placed(closed, "alice")
    mine = [await placed(closed, "mallory") for _ in range(3)]
    page = await closed.service.ListOrders(ListOrdersRequest(page_size=2), metadata=MALLORY)
    assert [each.order_id for each in page.orders] == mine[:0:-1]
    rest = ListOrdersRequest(page_size=2, page_token=page.next_page_token)
    assert [each.order_id for each in (await closed.service.ListOrders(rest, metadata=MALLORY)).orders] == [mine[0]]
    streamed = closed.service.StreamOrders(ListOrdersRequest(), metadata=MALLORY)
    assert [each.order_id async for each in streamed] == mine[::-1]
    assert (await refused(closed.service.ListOrders(ListOrdersRequest(customer_id="alice"), metadata=MALLORY)))[
        0
    ] == DENIED
    for token in (rest.page_token, (await all_orders(closed)).next_page_token):
        other = ListOrdersRequest(page_size=2, page_token=token)
        assert (await refused(closed.service.ListOrders(other, metadata=ALICE)))[2] == "INVALID_PAGE_TOKEN"


async def all_orders(world: World) -> Any:
    return await world.service.ListOrders(ListOrdersRequest(page_size=1), metadata=OPERATOR)


async def test_roles_do_what_the_contracts_say(closed: World) -> None:
    theirs = await placed(closed)
    for who in (ALICE, ANALYST):
        for call in (
            closed.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=theirs), metadata=who),
            closed.service.ShipOrder(orders_pb2.ShipOrderRequest(order_id=theirs), metadata=who),
            closed.inventory.RestockProduct(inventory_pb2.RestockProductRequest(product_id="p100"), metadata=who),
        ):
            assert (await refused(call))[0] == DENIED
    assert (await refused(closed.service.GetOrder(orders_pb2.GetOrderRequest(order_id=theirs), metadata=ANALYST)))[
        0
    ] == DENIED
    assert (await closed.inventory.ListProducts(inventory_pb2.ListProductsRequest(), metadata=ANALYST)).products
    paid = orders_pb2.CompletePaymentRequest(order_id=theirs)
    assert (await closed.service.CompletePayment(paid, metadata=OPERATOR)).status == Order.PAID
