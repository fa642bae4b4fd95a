import itertools
import math
import re
import uuid
from collections import Counter

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent, StockEvent
from ordermesh.orders.v1.inventory_pb2 import CreateProductRequest, RestockProductRequest
from ordermesh.orders.v1.orders_pb2 import CreateOrderRequest, Order, OrderItem

from orders.api import validation
from orders.domain import events, ids
from orders.domain.order import CANCELLED, CREATED, PAID, PENDING_RESTOCK, SHIPPED, Line, NewOrder, StoredOrder
from orders.domain.transitions import step_event
from orders.stock import allocation
from orders.store.queries import QUERIES
from orders.writes.commit_delay import ENOUGH_ORDERS, Gathering
from runtime.errors import FailedPrecondition, InvalidRequest
from runtime.postgres import arrays

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


def test_every_query_of_stored_orders_returns_the_columns_that_are_read_in_one_place() -> None:
    columns = {}
    for name in QUERIES.names():
        head, _, rest = getattr(QUERIES, name).partition("\nFROM orders ")
        if rest:
            columns[name] = head.partition("SELECT ")[2]
    lists = {name: found for name, found in columns.items() if name.startswith("list_orders")}
    assert (len(lists), set(lists.values())) == (4, {columns["list_orders"]})
    assert len(columns) == 8
    assert set(columns.values()) - set(lists.values()) == {columns["get_order"]}


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
def test_a_price_that_is_none_is_refused(price: float | None) -> None:
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
def test_a_refused_price_is_told_as_json_has_it(price: float, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validation.new_order(request(item(price=price)), TRACE, None)
    assert caught.value.violations[0].description.endswith(f", is {told}")


def test_a_total_over_the_limit_is_told_to_the_cent() -> None:
    # Twice the limit in minor units and more are beyond what a double holds with its cents.
    items = [item(quantity=1_000_000, price=10_000_000.0)] * 999
    with pytest.raises(InvalidRequest, match=re.escape("come to 9990000000000000.01")):
        validation.new_order(request(*items, item(price=0.01)), TRACE, None)


@pytest.mark.parametrize("quantity", [0, -1, -(2**31), 1_000_001, 2**31 - 1])
def test_a_quantity_that_is_none_is_refused(quantity: int) -> None:
    assert wrong(request(item(quantity=quantity))) == ["items[0].quantity"]


@pytest.mark.parametrize("product", ["", "a b", "a" * 65, "é", "p1\n", "p1;", "p1\0", "(p1", 'p"1'])
def test_a_product_id_that_is_none_is_refused(product: str) -> None:
    assert wrong(request(item(product=product))) == ["items[0].product_id"]


@pytest.mark.parametrize("customer", ["", "a b", "a" * 129, "ü", "a\n", "a\0"])
def test_a_customer_id_that_is_none_is_refused(customer: str) -> None:
    assert wrong(request(item(), customer=customer)) == ["customer_id"]


@pytest.mark.parametrize("request_id", ["a b", "a" * 65, "ü", "a\n"])
def test_a_request_id_that_is_none_is_refused(request_id: str) -> None:
    assert wrong(request(item(), request_id=request_id)) == ["request_id"]


@pytest.mark.parametrize("count", [0, 1001])
def test_no_items_or_too_many_are_refused(count: int) -> None:
    assert wrong(request(*[item()] * count)) == ["items"]


def test_a_total_over_the_limit_is_refused_and_one_at_it_is_not() -> None:
    at_limit = [item(quantity=1000, price=10_000_000.0)]
    assert validation.new_order(request(*at_limit), TRACE, None).total_minor == validation.MAX_TOTAL_MINOR
    assert wrong(request(*at_limit, item(price=0.01))) == ["items"]


def test_everything_that_is_wrong_is_named_at_once() -> None:
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
def test_an_order_id_that_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be a UUID such as"):
        validation.order_id(text)


def test_a_product_and_a_restock_are_checked_whole() -> None:
    with pytest.raises(InvalidRequest) as product:
        validation.create_product(CreateProductRequest(product_id="a b", name="x" * 201, stock=5))
    assert [v.field for v in product.value.violations] == ["product_id", "name", "price", "stock"]
    with pytest.raises(InvalidRequest) as restock:
        validation.restock(RestockProductRequest(product_id="", quantity=0, request_id="a b"))
    assert [v.field for v in restock.value.violations] == ["product_id", "quantity", "request_id"]
    assert validation.create_product(CreateProductRequest(product_id="a", name="x", price=1.23, stock=0)) == 123


TIMES = st.integers(0, 2**47)


@given(TIMES, st.integers(1, 10**9))
def test_ids_are_versioned_uuids_in_the_order_of_time_to_the_microsecond(time_us: int, later_us: int) -> None:
    first, second = ids.uuid7(time_us), ids.uuid7(time_us + later_us)
    assert first < second
    assert ids.lowest(time_us) <= first < ids.lowest(time_us + 1)
    read = uuid.UUID(first)
    assert (read.version, read.variant, str(read)) == (7, uuid.RFC_4122, first)
    assert ids.time_ms(read) == time_us // 1000


def test_ids_of_one_time_differ() -> None:
    assert len({ids.uuid7(1) for _ in range(10_000)}) == 10_000


PRODUCTS = ["a", "b", "c"]
NEEDS = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 6), min_size=1)
NOW_US = 10_000_000


def in_line(*wanted: dict[str, int]) -> list[allocation.Waiting]:
    return [allocation.Waiting(n + 1, str(n), needs, dict.fromkeys(needs, 0)) for n, needs in enumerate(wanted)]


@given(st.lists(st.integers(0, 12), min_size=3, max_size=3), st.lists(NEEDS, max_size=12), st.lists(NEEDS, max_size=8))
def test_stock_is_never_negative_and_every_unit_is_on_hand_or_allocated(
    stock: list[int], first: list[dict[str, int]], more: list[dict[str, int]]
) -> None:
    stocks = {product: allocation.Stock(units, 0) for product, units in zip(PRODUCTS, stock, strict=True)}
    allocated: Counter[str] = Counter()
    waiting = []
    for needs, decision in zip(first + more, allocation.allocate(stocks, first + more, NOW_US), strict=True):
        if decision.allocated:
            allocated.update(needs)
        else:
            waiting.append(needs)
            assert set(decision.missing) <= set(needs)
    check(stocks, stock, allocated, waiting)
    for product in PRODUCTS:
        stocks[product].give_back(3, NOW_US)
    released = allocation.release(stocks, in_line(*waiting), PRODUCTS, NOW_US)
    for needs, fits in zip(list(waiting), released, strict=True):
        if fits:
            allocated.update(needs)
            waiting.remove(needs)
    check(stocks, [units + 3 for units in stock], allocated, waiting)


def check(stocks: dict[str, allocation.Stock], stock: list[int], allocated: Counter[str], waiting: list[dict]) -> None:
    for product, units in zip(PRODUCTS, stock, strict=True):
        found = stocks[product]
        assert found.on_hand >= 0
        assert found.on_hand + allocated[product] == units
        assert found.awaited == found.awaited_change == sum(needs.get(product, 0) for needs in waiting)


def test_a_new_order_takes_what_is_not_held_and_during_a_release_what_nobody_awaits() -> None:
    held = allocation.Stock(on_hand=5, awaited=9, holder=1, held=3, held_until_us=NOW_US + 1)
    assert [d.missing for d in allocation.allocate({"a": held}, [{"a": 3}, {"a": 2}], NOW_US)] == [{"a": 1}, {}]
    held.held_until_us = NOW_US
    assert [d.allocated for d in allocation.allocate({"a": held}, [{"a": 3}], NOW_US)] == [True]
    releasing = allocation.Stock(on_hand=5, awaited=3, releasing=True)
    assert [d.allocated for d in allocation.allocate({"a": releasing}, [{"a": 2}, {"a": 1}], NOW_US)] == [True, False]


def test_a_release_goes_by_place_and_skips_what_does_not_fit() -> None:
    stocks = {"a": allocation.Stock(5, 10), "b": allocation.Stock(0, 1)}
    waiting = in_line({"a": 6}, {"a": 1, "b": 1}, {"a": 3}, {"a": 3}, {"a": 2})
    assert allocation.release(stocks, waiting, PRODUCTS, NOW_US) == [False, False, True, False, True]


def test_a_step_is_later_than_the_one_before_even_when_another_clock_ran_ahead() -> None:
    order = StoredOrder(ids.uuid7(1), "c", CREATED, 1, 700, 1, 5_000_000, ())
    row = step_event(order, PAID, 4_000_000, TRACE)
    assert row.occur_us == 5_000_001
    assert OrderEvent.FromString(row.payload).occur_time.ToMicroseconds() == 5_000_001
    assert step_event(order, PAID, 6_000_000, TRACE).occur_us == 6_000_000


def test_a_step_after_the_clock_was_set_back_by_days_has_the_present_time() -> None:
    two_days_us = 2 * 86_400_000_000
    order = StoredOrder(ids.uuid7(1), "c", CREATED, 1, 700, 1, NOW_US + two_days_us, ())
    step = step_event(order, PAID, NOW_US, TRACE)
    assert (step.occur_us, ids.time_ms(uuid.UUID(step.event_id))) == (NOW_US, NOW_US // 1000)
    assert OrderEvent.FromString(step.payload).sequence == 2


STATUSES = [CREATED, PENDING_RESTOCK, PAID, SHIPPED, CANCELLED]
TYPES = {
    (PENDING_RESTOCK, CREATED): "STOCK_ALLOCATED",
    (CREATED, PAID): "PAYMENT_COMPLETED",
    (PAID, SHIPPED): "ORDER_SHIPPED",
    (CREATED, CANCELLED): "ORDER_CANCELLED",
    (PENDING_RESTOCK, CANCELLED): "ORDER_CANCELLED",
    (PAID, CANCELLED): "ORDER_CANCELLED",
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATUSES, STATUSES)))
def test_only_the_steps_of_the_contract_are_there_each_with_its_event(
    before: Order.Status, after: Order.Status
) -> None:
    order = StoredOrder(ids.uuid7(1), "c", before, 4, 700, 1, 1, ())
    if (before, after) not in TYPES:
        with pytest.raises(FailedPrecondition, match="cannot become"):
            step_event(order, after, 9, TRACE)
        return
    row = step_event(order, after, 9_000_001, TRACE)
    event = OrderEvent.FromString(row.payload)
    assert EventType.Name(row.event_type) == TYPES[before, after]
    assert event.WhichOneof("payload") == TYPES[before, after].lower()
    assert (event.sequence, event.previous_status, event.status, event.total_minor) == (5, before, after, 700)
    assert (event.event_id, event.order_id, event.occur_time.ToMicroseconds()) == (row.event_id, row.key, 9_000_001)


def test_the_largest_order_fits_into_an_event_and_an_ordinary_one_is_small() -> None:
    lines = tuple(Line("p" * 64, 1_000_000, 1_000_000_000) for _ in range(validation.MAX_ITEMS))
    large = NewOrder("c" * 128, lines, 10**12, 10**9, "", TRACE)
    row = events.order_created(ids.uuid7(1), ids.uuid7(1), large, CREATED, 1)
    assert len(row.payload) < 100_000
    assert OrderEvent.FromString(row.payload).schema_version == 1
    small = NewOrder("cust-1", (Line("p1", 2, 1000),), 2000, 2, "", TRACE)
    assert len(events.order_created(ids.uuid7(1), ids.uuid7(1), small, CREATED, 1).payload) < 170


@given(st.from_regex(validation.PRODUCT_ID, fullmatch=True))
def test_every_product_has_a_shard_and_its_events_name_it(product: str) -> None:
    row = events.restock_requested(ids.uuid7(1), product, ids.uuid7(2), 3, 1, TRACE)
    assert 0 <= row.shard < events.SHARDS
    assert row.key == StockEvent.FromString(row.payload).product_id == product


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ROUND_TRIPS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@ROUND_TRIPS
@given(st.lists(TEXT | st.sampled_from(["null", "NULL", "", "\\", '"', "{}", ","]), min_size=1))
def test_any_texts_survive_an_array_literal(owner: psycopg.Connection, values: list[str]) -> None:
    assert owner.execute("SELECT %s::text[]", (arrays.quoted(values),)).fetchone() == (values,)


@ROUND_TRIPS
@given(st.lists(st.binary(max_size=40), min_size=1))
def test_any_bytes_survive_an_array_literal(owner: psycopg.Connection, values: list[bytes]) -> None:
    assert owner.execute("SELECT %s::bytea[]", (arrays.binary(values),)).fetchone() == (values,)


def test_orders_gather_between_small_transactions_while_others_come_on_their_own() -> None:
    gathering = Gathering()
    for came in (4, 3, 6, 2, 5):
        assert gathering.rest_seconds(stored=3, waiting=1) > 0
        gathering.learn(came)


def test_nobody_is_kept_waiting_by_rests_that_bring_no_company() -> None:
    gathering = Gathering()
    rests = 0
    for _ in range(1000):
        if gathering.rest_seconds(stored=1, waiting=9) > 0:
            rests += 1
            gathering.learn(1)
    assert 1 < rests < 40


@pytest.mark.parametrize(("stored", "waiting"), [(1, 0), (ENOUGH_ORDERS, 1), (1, ENOUGH_ORDERS)])
def test_no_rest_when_nobody_waits_or_enough_orders_are_there(stored: int, waiting: int) -> None:
    assert Gathering().rest_seconds(stored, waiting) == 0
