"""Pages of long orders, and responses that are built from stored orders."""

import math

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest
from orders_world import World, order, refusal

# The default message size limit of gRPC clients, and the buffer limit of Envoy.
CLIENT_BYTES = 4 * 1024 * 1024
FRONT_BYTES = 1024 * 1024
LONG_ORDERS = """
    INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
    SELECT ('01990000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, repeat('c', 128), 'CREATED', 1, now(), now(),
        '',
        (SELECT array_agg(ROW(repeat('p', 60) || k, 1000000, 999999999)::order_line) FROM generate_series(1, 1000) AS k)
    FROM generate_series(1, 1000) AS n
"""


async def test_a_page_of_a_thousand_orders_of_a_thousand_lines_ends_when_it_is_full(
    world: World, owner: psycopg.Connection
) -> None:
    owner.execute(LONG_ORDERS)
    request, seen = ListOrdersRequest(page_size=1000), []
    for _ in range(8):
        page = await world.service.ListOrders(request)
        assert page.ByteSize() < CLIENT_BYTES
        assert len(MessageToJson(page, indent=0)) < FRONT_BYTES
        seen += [each.order_id for each in page.orders]
        request.page_token = page.next_page_token
        assert request.page_token
    assert seen == [f"01990000-0000-7000-8000-{n:012x}" for n in range(1000, 1000 - len(seen), -1)]
    assert len(seen) >= 8
    one = await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=seen[0]))
    assert len(one.items) == 1000
    summaries = [each async for each in world.service.StreamOrders(ListOrdersRequest(page_size=1000))]
    assert len(summaries) == 1000


async def test_short_orders_fill_a_page_up_to_its_size(world: World) -> None:
    requests = [order(("p1", 1, 1))] * 1000
    await world.service.BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest(requests=requests))
    page = await world.service.ListOrders(ListOrdersRequest(page_size=1000))
    assert (len(page.orders), page.next_page_token) == (1000, "")
    assert len((await world.service.ListOrders(ListOrdersRequest(page_size=999))).orders) == 999


async def test_a_page_of_products_with_long_names_ends_when_it_is_full(world: World, owner: psycopg.Connection) -> None:
    owner.execute("UPDATE product SET name = repeat(U&'\\0001', 200)")
    request, seen = inventory_pb2.ListProductsRequest(page_size=1000), 0
    while True:
        page = await world.inventory.ListProducts(request)
        assert len(MessageToJson(page, indent=0)) < 2 * FRONT_BYTES
        seen += len(page.products)
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == 1000


CENTS = st.integers(0, 10**8)
LINES = st.lists(
    st.tuples(st.sampled_from(["p1", "p100", "p.-_9"]), st.integers(1, 10), CENTS.map(lambda cents: cents / 100)),
    min_size=1,
    max_size=20,
)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=LINES, customer=NAMES, request_id=NAMES)
async def test_create_replay_and_get_return_the_same_order(
    world: World, owner: psycopg.Connection, lines: list[tuple[str, int, float]], customer: str, request_id: str
) -> None:
    owner.execute("INSERT INTO product SELECT 'p.-_9', 'x', 1, false ON CONFLICT DO NOTHING")
    asked = order(*lines, customer=customer, request_id=request_id)
    # What a client may send: a field of a later contract, and minus zero.
    asked.items[0].MergeFromString(b"\xf8\x06\x01")
    for item in asked.items:
        item.price = item.price or -0.0
    created = await world.service.CreateOrder(asked)
    repeated = await world.service.CreateOrder(asked)
    got = await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=created.order_id))
    (listed,) = (await world.service.ListOrders(ListOrdersRequest(page_size=1))).orders
    assert created.SerializeToString() == got.SerializeToString() == repeated.SerializeToString()
    assert listed.SerializeToString() == got.SerializeToString()
    assert all(math.copysign(1, item.price) == 1 for item in created.items)
    owner.execute("TRUNCATE order_request")


@pytest.mark.parametrize("product_id", [".", ".."])
async def test_a_product_id_that_urls_cannot_contain_is_refused(world: World, product_id: str) -> None:
    """RFC 3986, 5.2.4 removes these segments from a path, percent-encoded or not."""
    asked = inventory_pb2.CreateProductRequest(product_id=product_id, name="x", price=1)
    for call, field in (
        (world.inventory.CreateProduct(asked), "product_id"),
        (world.service.CreateOrder(order((product_id, 1, 1))), "items[0].product_id"),
        (world.inventory.GetProduct(inventory_pb2.GetProductRequest(product_id=product_id)), "product_id"),
        (
            world.inventory.RestockProduct(inventory_pb2.RestockProductRequest(product_id=product_id, quantity=1)),
            "product_id",
        ),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    for near in ("...", ".a", "a..", ".-"):
        await world.inventory.CreateProduct(inventory_pb2.CreateProductRequest(product_id=near, name="x", price=1))
