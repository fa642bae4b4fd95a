"""Pages of a thousand orders of a thousand lines, through the front proxy, over REST and gRPC."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import psycopg
import pytest
from front_proxy import Platform, curl
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

# Far in the past, so that no other test's page shows them.
CUSTOMER = "long"
LONG_ORDERS = """
    INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, %s, 'CREATED', 1, 'epoch', 'epoch', '',
        (SELECT array_agg(ROW(repeat('p', 60) || k, 1000000, 999999999)::order_line) FROM generate_series(1, 1000) AS k)
    FROM generate_series(1, 1000) AS n
"""


@pytest.fixture(scope="module")
def long_orders(platform: Platform) -> Iterator[None]:
    """Orders without events: they go before a reconciliation looks."""
    with psycopg.connect(platform.stack.context.dsn("orders_owner"), autocommit=True) as connection:
        connection.execute(LONG_ORDERS, (CUSTOMER,))
        yield
        connection.execute("DELETE FROM orders WHERE customer_id = %s", (CUSTOMER,))


@pytest.mark.usefixtures("long_orders")
def test_pages_over_rest_end_when_they_are_full_and_name_the_next(platform: Platform) -> None:
    url, token, seen = f"{platform.stack.rest}/v1/orders?customerId={CUSTOMER}&pageSize=1000", "", 0
    for _ in range(3):
        answer = curl(f"{url}&pageToken={token}")
        assert answer.status == 200
        seen += len(answer.json["orders"])
        token = answer.json["nextPageToken"]
        assert token
    assert seen >= 3
    summaries = curl(f"{platform.stack.rest}/orders?customerId={CUSTOMER}&pageSize=1000")
    assert (summaries.status, len(summaries.json)) == (200, 1000)
    part = curl(f"{platform.stack.rest}/orders?customerId={CUSTOMER}&pageSize=400")
    assert len(part.json) == 400
    assert 'rel="next"' in part.headers["link"]
    one = curl(f"{platform.stack.rest}/orders/00000000-0000-7000-8000-000000000001")
    assert (one.status, len(one.json["items"])) == (200, 1000)


@pytest.mark.usefixtures("long_orders")
def test_pages_over_grpc_fit_what_a_client_takes_by_default(platform: Platform) -> None:
    with grpc.insecure_channel(platform.stack.grpc) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        page = stub.ListOrders(orders_pb2.ListOrdersRequest(customer_id=CUSTOMER, page_size=1000))
        assert page.orders
        assert page.next_page_token
