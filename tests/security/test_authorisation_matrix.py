"""Every RPC by every role, by nobody, and by those who pretend, for own and foreign orders, on every protocol.

What is expected is computed here from the option of the contracts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import grpc
import pytest
from authorisation import (
    ALLOWED,
    ALLOWED_HTTP,
    FOREIGN,
    HTTP,
    METHODS,
    OWN,
    CallerKind,
    Requests,
    expected,
    over_grpc,
    over_grpc_web,
    over_rest,
    rules,
)
from front_proxy import Platform
from google.protobuf.descriptor import MethodDescriptor
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from stack.identity.key_registry import KeyRegistry
from stack.running_stack import RunningStack

FORGED = ("x-ordermesh-client", "operator:root")


class World(NamedTuple):
    """A stack with keys, who calls it, and what they ask."""

    stack: RunningStack
    callers: list[CallerKind]
    requests: Requests
    orders: dict[str, str]


def bearer(key: str) -> tuple[str, str]:
    return "authorization", f"Bearer {key}"


@pytest.fixture(scope="module")
def world(closed: Platform) -> Iterator[World]:
    stack = closed.stack
    with stack.channel() as channel:
        registry = KeyRegistry(stack.stack.state)
        revoked = registry.create("operator", "gone")
        registry.revoke(next(key.id for key in registry.current() if key.subject == "gone"))
        customer, operator = registry.create("customer", OWN), registry.create("operator", "ops")
        analyst = registry.create("analyst", "ann")
        callers = [
            CallerKind("nobody", ()),
            CallerKind("nobody who says to be an operator", (FORGED,)),
            CallerKind("a revoked key", (bearer(revoked),)),
            CallerKind("a malformed header", (("authorization", "Basic b3BzOm9wcw=="),)),
            CallerKind("an unknown key", (bearer("om_" + "0" * 43),)),
            CallerKind("a customer", (bearer(customer),), "customer"),
            CallerKind("a customer who says to be an operator", (bearer(customer), FORGED), "customer"),
            CallerKind("a customer with the other header", (("x-api-key", customer),), "customer"),
            CallerKind("an operator", (bearer(operator),), "operator"),
            CallerKind("an analyst", (bearer(analyst),), "analyst"),
        ]
        create = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder
        item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
        orders = {
            customer_id: create(orders_pb2.CreateOrderRequest(customer_id=customer_id, items=[item])).order_id
            for customer_id in (OWN, FOREIGN)
        }
        await_keys(stack, callers)
        yield World(stack, callers, Requests(orders), orders)


def await_keys(stack: RunningStack, callers: list[CallerKind]) -> None:
    """Wait until Envoy has read the keys."""
    port = stack.context.settings.front_port
    method = next(method for method in METHODS if method.name == "ListProducts")
    request = orders_pb2.ListOrdersRequest()
    (rule,) = rules(method)
    known = [caller for caller in callers if caller.role]
    stack.wait_until(
        lambda: all(over_rest(port, rule, request, caller) == 200 for caller in known), 20, "the keys are in force"
    )


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.containing_service.name}.{method.name}")
def test_every_caller_gets_what_the_contracts_say(world: World, method: MethodDescriptor) -> None:
    port = world.stack.context.settings.front_port
    wrong = []
    with grpc.insecure_channel(world.stack.grpc) as channel:
        for caller in world.callers:
            for customer in world.requests.customers(method):
                request = world.requests.of(method, customer)
                wanted = expected(method, caller, customer)
                found = {"gRPC": over_grpc(channel, method, request, caller)}
                found["gRPC-Web"] = over_grpc_web(port, method, world.requests.of(method, customer), caller)
                wrong += [(caller.name, customer, how, code) for how, code in found.items() if code not in wanted]
                statuses = ALLOWED_HTTP if wanted == ALLOWED else {HTTP[code] for code in wanted}
                for rule in rules(method):
                    status = over_rest(port, rule, world.requests.of(method, customer), caller)
                    if status not in statuses:
                        wrong.append((caller.name, customer, str(rule).strip(), status))
    assert wrong == []


def test_refused_callers_changed_no_foreign_order(world: World) -> None:
    """The operator may change it, so it is read before and after the customer's attempts."""
    customer = next(caller for caller in world.callers if caller.role == "customer")
    operator = next(caller for caller in world.callers if caller.role == "operator")
    with grpc.insecure_channel(world.stack.grpc) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
        request = orders_pb2.CreateOrderRequest(customer_id=FOREIGN, items=[item])
        made = stub.CreateOrder(request, metadata=operator.headers)
        for name in ("CancelOrder", "CompletePayment", "ShipOrder"):
            method = next(method for method in METHODS if method.name == name)
            attempt = Requests({FOREIGN: made.order_id}).of(method, FOREIGN)
            assert over_grpc(channel, method, attempt, customer) is not grpc.StatusCode.OK
        batch = orders_pb2.BatchCreateOrdersRequest(requests=[request])
        results = stub.BatchCreateOrders(batch, metadata=customer.headers).results
        assert [result.error.code for result in results] == [grpc.StatusCode.PERMISSION_DENIED.value[0]]
        left = stub.GetOrder(orders_pb2.GetOrderRequest(order_id=made.order_id), metadata=operator.headers)
        assert left == made


def test_a_foreign_order_is_refused_in_the_words_for_one_that_does_not_exist(world: World) -> None:
    customer = next(caller for caller in world.callers if caller.role == "customer")
    absent = "019a0000-0000-7000-8000-000000000000"
    with grpc.insecure_channel(world.stack.grpc) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        told = []
        for order_id in (world.orders[FOREIGN], absent):
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id), metadata=customer.headers)
            told.append(caught.value.details().replace(order_id, "ID"))
    assert told[0] == told[1]


def test_a_customers_list_and_stream_hold_its_own_orders_only(world: World) -> None:
    customer = next(caller for caller in world.callers if caller.role == "customer")
    with grpc.insecure_channel(world.stack.grpc) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        request = orders_pb2.ListOrdersRequest(page_size=1000)
        listed = stub.ListOrders(request, metadata=customer.headers).orders
        streamed = list(stub.StreamOrders(request, metadata=customer.headers))
    assert {order.customer_id for order in (*listed, *streamed)} == {OWN}
