"""Which requests are valid, and the violations of the others."""

import asyncio
import math
import re

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.inventory_pb2 import CreateProductRequest, RestockProductRequest
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest, OrderItem

from orders.api import item_counts, validation
from orders.domain.order import Line
from runtime.errors import MAX_VIOLATIONS, InvalidRequest
from runtime.grpc.slices import SLICE_COST, in_slices

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


def item(product: str = "p1", quantity: int = 1, price: float | None = 1.0) -> OrderItem:
    return OrderItem(product_id=product, quantity=quantity, price=price)


def request(*items: OrderItem, customer: str = "c", request_id: str = "") -> CreateOrderRequest:
    return CreateOrderRequest(customer_id=customer, items=items, request_id=request_id)


def wrong(made: CreateOrderRequest) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        validation.new_order(made, TRACE, None)
    return [violation.field for violation in caught.value.violations]


PRICES = [math.nan, math.inf, -math.inf, 1.234, 0.001, -0.01, -5, 10_000_000.01, 1e300, 9_999_999.999, None]


@pytest.mark.parametrize("price", PRICES)
def test_an_invalid_price_is_refused(price: float | None) -> None:
    assert wrong(request(item(price=price))) == ["items[0].price"]


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (10_000_000.01, "10000000.01"),
        (10_000_001.0, "10000001"),
        (123_456_789_012_345_678_901.0, "123456789012345680000"),
        (1e300, "1e+300"),
        (-0.01, "-0.01"),
        (0.0000012, "0.0000012"),
        (1e-300, "1e-300"),
        (1.005, "1.005"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_the_violation_of_a_price_shows_it_as_json(price: float, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validation.new_order(request(item(price=price)), TRACE, None)
    assert caught.value.violations[0].description.endswith(f", is {told}")


def test_the_violation_of_a_total_shows_every_cent() -> None:
    # At twice the limit and above, doubles cannot represent all cents.
    items = [item(quantity=1_000_000, price=10_000_000.0)] * 999
    with pytest.raises(InvalidRequest, match=re.escape("has 9990000000000000.01")):
        validation.new_order(request(*items, item(price=0.01)), TRACE, None)


@pytest.mark.parametrize("quantity", [0, -1, -(2**31), 1_000_001, 2**31 - 1])
def test_an_invalid_quantity_is_refused(quantity: int) -> None:
    assert wrong(request(item(quantity=quantity))) == ["items[0].quantity"]


@pytest.mark.parametrize("product", ["", "a b", "a" * 65, "é", "p1\n", "p1;", "p1\0", "(p1", 'p"1'])
def test_an_invalid_product_id_is_refused(product: str) -> None:
    assert wrong(request(item(product=product))) == ["items[0].product_id"]


@pytest.mark.parametrize("customer", ["", "a b", "a" * 129, "ü", "a\n", "a\0"])
def test_an_invalid_customer_id_is_refused(customer: str) -> None:
    assert wrong(request(item(), customer=customer)) == ["customer_id"]


@pytest.mark.parametrize("request_id", ["a b", "a" * 65, "ü", "a\n"])
def test_an_invalid_request_id_is_refused(request_id: str) -> None:
    assert wrong(request(item(), request_id=request_id)) == ["request_id"]


@pytest.mark.parametrize("count", [0, 1001])
def test_no_items_or_too_many_are_refused(count: int) -> None:
    assert wrong(request(*[item()] * count)) == ["items"]


def test_a_total_over_the_limit_is_refused_and_one_at_it_is_not() -> None:
    at_limit = [item(quantity=1000, price=10_000_000.0)]
    assert validation.new_order(request(*at_limit), TRACE, None).total_minor == validation.MAX_TOTAL_MINOR
    assert wrong(request(*at_limit, item(price=0.01))) == ["items"]


def test_all_violations_are_reported_together() -> None:
    bad = [item(), item("a b", 0, -1), item(price=None), item(price=1.005)]
    assert wrong(request(*bad, customer="", request_id="a b")) == [
        "customer_id",
        "request_id",
        "items[1].product_id",
        "items[1].quantity",
        "items[1].price",
        "items[2].price",
        "items[3].price",
    ]


@given(st.integers(0, 1_000_000_000), st.integers(1, 1000))
def test_every_price_of_two_decimals_is_exact_in_minor_units(minor: int, quantity: int) -> None:
    made = validation.new_order(request(item(quantity=quantity, price=minor / 100)), TRACE, None)
    assert made.lines == (Line("p1", quantity, minor),)
    assert (made.total_minor, made.units) == (minor * quantity, quantity)


@given(st.integers(0, 9_999_999_999).filter(lambda n: n % 10))
def test_every_price_of_three_decimals_is_refused(thousandths: int) -> None:
    assert wrong(request(item(price=thousandths / 1000))) == ["items[0].price"]


@pytest.mark.parametrize(
    "text", ["", "1", "g" * 36, "0" * 32, "019a0000-0000-7000-8000-0000000000000", "{" + "0" * 34 + "}"]
)
def test_an_order_id_that_is_not_a_uuid_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be a UUID such as"):
        validation.order_id(text)


def test_all_fields_of_a_product_and_a_restock_are_checked() -> None:
    with pytest.raises(InvalidRequest) as product:
        validation.create_product(CreateProductRequest(product_id="a b", name="x" * 201, stock=5))
    assert [v.field for v in product.value.violations] == ["product_id", "name", "price", "stock"]
    with pytest.raises(InvalidRequest) as restock:
        validation.restock(RestockProductRequest(product_id="", quantity=0, request_id="a b"))
    assert [v.field for v in restock.value.violations] == ["product_id", "quantity", "request_id"]
    assert validation.create_product(CreateProductRequest(product_id="a", name="x", price=1.23, stock=0)) == 123


def test_validation_ends_with_a_hundred_violations() -> None:
    assert len(wrong(request(*[OrderItem()] * 1000))) == MAX_VIOLATIONS


@pytest.mark.parametrize("one", [item(), OrderItem()])
def test_the_items_of_a_batch_are_limited_in_all(one: OrderItem) -> None:
    orders = [request(*[one] * 1000)] * (item_counts.MAX_BATCH_ITEMS // 1000)
    item_counts.check_batch(BatchCreateOrdersRequest(requests=orders).SerializeToString())
    too_many = BatchCreateOrdersRequest(requests=[*orders, CreateOrderRequest(items=[one])])
    with pytest.raises(InvalidRequest) as caught:
        item_counts.check_batch(too_many.SerializeToString())
    assert [violation.field for violation in caught.value.violations] == ["requests"]
    with pytest.raises(InvalidRequest):
        item_counts.check_batch(BatchCreateOrdersRequest(requests=[request(*[one] * 10_001)]).SerializeToString())


def test_the_items_of_an_order_and_the_orders_of_a_batch_are_counted_before_they_are_decoded() -> None:
    empty = OrderItem()
    item_counts.check_order(request(*[empty] * 1000).SerializeToString())
    with pytest.raises(InvalidRequest) as caught:
        item_counts.check_order(b"\x0a\x05alice" + b"\x12\x00" * 130_000)
    assert [(each.field, each.description) for each in caught.value.violations] == [
        ("items", "must have 1 to 1000 items, has 130000")
    ]
    item_counts.check_batch(BatchCreateOrdersRequest(requests=[CreateOrderRequest()] * 1000).SerializeToString())
    with pytest.raises(InvalidRequest, match="must have 1 to 1000 orders, has 1001"):
        item_counts.check_batch(BatchCreateOrdersRequest(requests=[CreateOrderRequest()] * 1001).SerializeToString())


def lists(message: Descriptor) -> list[str]:
    """Return the repeated fields of a message and of its parts."""
    found = [field.full_name for field in message.fields if field.is_repeated]
    return found + [name for field in message.fields if field.message_type for name in lists(field.message_type)]


def test_every_request_of_clients_that_has_a_list_is_counted_before_it_is_decoded() -> None:
    files = (orders_pb2, inventory_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    methods = {f"/{each.full_name}/{method.name}": method for each in services for method in each.methods}
    with_lists = {path for path, method in methods.items() if lists(method.input_type)}
    assert with_lists == set(item_counts.CHECKS)


async def test_long_loops_let_other_tasks_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert [each async for each in in_slices(range(10), lambda _: SLICE_COST)] == list(range(10))
    task.cancel()
    assert turns >= 9
