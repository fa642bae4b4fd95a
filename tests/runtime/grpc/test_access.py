"""Who may call a method in the service itself, past the front proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.orders.v1 import inventory_pb2_grpc, orders_pb2_grpc

from runtime.errors import PermissionDenied, Unauthenticated
from runtime.identity import access, caller

CREATE, SHIP = "/ordermesh.orders.v1.OrderService/CreateOrder", "/ordermesh.orders.v1.OrderService/ShipOrder"
REGISTERED = (orders_pb2_grpc, inventory_pb2_grpc, ledger_pb2_grpc)
NOT_OURS = ["customer", "customer:", ":c", "root:c", "CUSTOMER:c", " customer:c", "role_unspecified:c", ""]


def let_in(method: str, *headers: tuple[str, str | bytes], authentication: str = "keys") -> caller.Caller:
    access.guard(method, authentication)(lambda: headers)  # type: ignore[arg-type]
    return caller.current()


def test_the_caller_is_the_one_that_the_front_proxy_names() -> None:
    found = let_in(CREATE, (caller.HEADER, "customer:cust:1"), ("user-agent", "x"))
    assert (caller.ROLE_NAMES[found.role], found.subject, found.is_customer) == ("customer", "cust:1", True)


@pytest.mark.parametrize("value", NOT_OURS)
def test_a_header_that_names_nobody_is_no_credential(value: str) -> None:
    with pytest.raises(Unauthenticated):
        let_in(CREATE, (caller.HEADER, value))


@given(st.lists(st.tuples(st.just(caller.HEADER), st.text() | st.binary()), max_size=3))
def test_no_metadata_raises_anything_else(headers: list[tuple[str, str | bytes]]) -> None:
    with pytest.raises((Unauthenticated, PermissionDenied)):
        let_in(SHIP, *headers)


def test_two_callers_are_none() -> None:
    with pytest.raises(Unauthenticated):
        let_in(CREATE, (caller.HEADER, "customer:a"), (caller.HEADER, "operator:b"))


def test_a_role_that_a_method_does_not_name_is_refused() -> None:
    assert let_in(SHIP, (caller.HEADER, "operator:o")).subject == "o"
    for role in ("customer", "analyst"):
        with pytest.raises(PermissionDenied, match="role"):
            let_in(SHIP, (caller.HEADER, f"{role}:x"))


@pytest.mark.parametrize("method", ["/no.Such/Method", "/ordermesh.orders.v1.OrderService/NoSuchMethod"])
def test_a_method_that_names_nobody_is_closed(method: str) -> None:
    with pytest.raises(PermissionDenied):
        let_in(method, (caller.HEADER, "operator:o"))


def test_health_and_internal_methods_need_nobody() -> None:
    for method in ("/grpc.health.v1.Health/Check", "/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress"):
        assert let_in(method) == caller.ANONYMOUS


def test_without_authentication_a_header_changes_nothing() -> None:
    assert let_in(SHIP, (caller.HEADER, "customer:c"), authentication="off") == caller.ANONYMOUS
