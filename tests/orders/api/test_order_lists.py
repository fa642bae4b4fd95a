import re
import time

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest, Order
from orders_world import World, order, refusal

from orders.domain.ids import as_text
from orders.store.queries import LEDGER, OUTBOX, QUERIES

LEDGER_BY_MINUTE = ledger_pb2.StreamOrderLedgerRequest(period=ledger_pb2.MINUTE)
SAME_TIME_US = 1_790_000_000_000_000


async def pages(world: World, **filters: object) -> list[list[str]]:
    request, found = ListOrdersRequest(**filters), []
    while True:
        reply = await world.service.ListOrders(request)
        found.append([each.order_id for each in reply.orders])
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


async def some(world: World, number: int, **words: str) -> list[str]:
    requests = [order(("p1", 1, 1), **words)] * number
    reply = await world.service.BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest(requests=requests))
    return [result.order.order_id for result in reply.results]


async def test_pages_list_all_orders_once_newest_first_even_with_equal_times(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.domain.clock.DatabaseClock.now_us", lambda *_: SAME_TIME_US)
    made = [each for _ in range(5) for each in await some(world, 2)]
    found = await pages(world, page_size=3)
    assert [len(page) for page in found] == [3, 3, 3, 1]
    assert [each for page in found for each in page] == sorted(made, reverse=True)


async def test_filters_select_by_customer_status_and_time(world: World) -> None:
    mine, others = await some(world, 3, customer="me"), await some(world, 2, customer="you")
    await world.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=mine[1]))
    middle = (await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=others[0]))).create_time
    assert await pages(world, customer_id="me") == [mine[::-1]]
    assert await pages(world, status=Order.CANCELLED) == [[mine[1]]]
    assert await pages(world, customer_id="me", status=Order.CREATED) == [[mine[2], mine[0]]]
    assert await pages(world, start_time=middle) == [others[::-1]]
    assert await pages(world, end_time=middle) == [mine[::-1]]
    assert await pages(world, customer_id="nobody") == [[]]


async def test_the_stream_returns_a_page_and_links_the_next_one(world: World) -> None:
    made = await some(world, 3, customer="a&b=c")
    call = world.service.StreamOrders(ListOrdersRequest(customer_id="a&b=c", page_size=2))
    assert [each.order_id async for each in call] == made[:0:-1]
    (link,) = [value for key, value in tuple(await call.initial_metadata()) if key == "link"]
    token = link.partition("pageToken=")[2].partition(">")[0]
    assert link == f'</orders?customerId=a%26b%3Dc&pageSize=2&pageToken={token}>; rel="next"'
    last = world.service.StreamOrders(ListOrdersRequest(customer_id="a&b=c", page_size=2, page_token=token))
    assert [each.order_id async for each in last] == [made[0]]
    assert "link" not in dict(tuple(await last.initial_metadata()))


async def test_a_token_is_refused_with_other_filters_or_for_another_list(world: World) -> None:
    await some(world, 3)
    token = (await world.service.ListOrders(ListOrdersRequest(page_size=1))).next_page_token
    products = (await world.inventory.ListProducts(inventory_pb2.ListProductsRequest())).next_page_token
    for call in (
        world.service.ListOrders(ListOrdersRequest(customer_id="c", page_token=token)),
        world.service.ListOrders(ListOrdersRequest(page_token="AAAA")),
        world.service.ListOrders(ListOrdersRequest(page_token="%" * 600)),
        world.service.ListOrders(ListOrdersRequest(page_token=products)),
        world.inventory.ListProducts(inventory_pb2.ListProductsRequest(page_token=token)),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
        assert refused.fields == ["page_token"]
    assert len((await world.service.ListOrders(ListOrdersRequest(page_size=9, page_token=token))).orders) == 2


async def test_all_violations_of_a_list_request_are_reported_together(world: World) -> None:
    request = ListOrdersRequest(
        customer_id="with space",
        status=77,  # type: ignore[arg-type]
        page_size=1001,
        start_time=Timestamp(seconds=-1),
        end_time=Timestamp(seconds=1, nanos=-1),
    )
    refused = await refusal(world.service.ListOrders(request))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == ["customer_id", "status", "page_size", "start_time", "end_time"]


async def test_products_are_listed_in_pages_by_id(world: World) -> None:
    request, seen = inventory_pb2.ListProductsRequest(page_size=300), []
    while True:
        reply = await world.inventory.ListProducts(request)
        seen += [product.product_id for product in reply.products]
        request.page_token = reply.next_page_token
        if not request.page_token:
            break
    assert seen == sorted(f"p{n}" for n in range(1, 1001))


async def test_an_event_of_any_type_is_found_by_its_id_alone(world: World) -> None:
    await world.tracked("t", 1)
    made = await world.create(("p1", 2, 1.5))
    await world.create(("t", 3, 1))
    await world.restock("t", 5)
    await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id))
    events = await world.rows("SELECT event_id FROM event_outbox")
    assert len(events) == 6
    for (event_id,) in events:
        found = await world.ledger.FindEvents(ledger_pb2.FindEventsRequest(event_ids=event_id.bytes))
        assert found.event_ids == event_id.bytes
    none = await world.ledger.FindEvents(ledger_pb2.FindEventsRequest(event_ids=b"\1" * 16))
    assert none.event_ids == b""


async def test_the_sums_of_the_ledger_equal_what_was_written(world: World, owner: psycopg.Connection) -> None:
    await world.tracked("t", 1)
    first = await world.create(("p1", 2, 1.5), ("p2", 1, 2))
    short = await world.create(("t", 3, 1))
    await world.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=first.order_id))
    progress = await world.ledger.GetOrderProgress(ledger_pb2.GetOrderProgressRequest())
    assert (progress.orders_total, progress.pending, progress.dead) == (2, 4, 0)
    owner.execute("UPDATE event_outbox SET status = 'SENT' WHERE key = %s", (first.order_id,))
    owner.execute("UPDATE event_outbox SET status = 'DEAD' WHERE key = %s", (short.order_id,))
    head, *rest = [each async for each in world.ledger.StreamOrderLedger(LEDGER_BY_MINUTE)]
    assert (head.pending, head.dead, len(head.dead_ids)) == (1, 1, 1)
    minutes = [minute for each in rest for minute in each.events]
    assert sum(minute.revenue_minor for minute in minutes) == 500
    assert sum(minute.units for minute in minutes) == 3
    assert sorted((t.type, t.events) for minute in minutes for t in minute.types) == [(1, 1), (5, 1)]
    ids = b""
    for minute in minutes:
        request = ledger_pb2.StreamPublishedIdsRequest(minute_start_time=minute.start_time)
        ids += b"".join([each.event_ids async for each in world.ledger.StreamPublishedIds(request)])
    sent = owner.execute("SELECT event_id FROM event_outbox WHERE status = 'SENT'").fetchall()
    assert {ids[at : at + 16] for at in range(0, len(ids), 16)} == {event_id.bytes for (event_id,) in sent}
    found = await world.ledger.FindEvents(ledger_pb2.FindEventsRequest(event_ids=ids[:16] + b"\0" * 16))
    assert found.event_ids == ids[:16]
    sums = [
        (each.product_id, each.units, each.revenue_minor)
        async for reply in world.ledger.StreamProductSums(ledger_pb2.StreamProductSumsRequest())
        for each in reply.products
    ]
    assert sums == [("p1", 2, 300), ("p2", 1, 200), ("t", 3, 300)]
    states = [
        (sum_.status, sum_.orders, sum_.total_minor) for each in rest for one in each.orders for sum_ in one.statuses
    ]
    assert sorted(states) == [(Order.PENDING_RESTOCK, 1, 300), (Order.CANCELLED, 1, 500)]


ROWS = 50_000
FILL = """
    INSERT INTO orders SELECT lpad(to_hex(n), 32, '0')::uuid, 'c' || n %% 500,
        (enum_range(NULL::order_status))[1 + n %% 5], 1, 1, now(), now(), 't', '{}' FROM generate_series(1, %(rows)s) n;
    INSERT INTO order_request
        SELECT 'c' || n %% 500, 'r' || n, '', gen_random_uuid(), 'CREATED', now(), request_period(now())
        FROM generate_series(1, %(rows)s) n;
    INSERT INTO event_outbox (shard, event_type, status, occur_time, event_id, key, traceparent, payload)
        SELECT n %% 64, 1, CASE WHEN n %% 1000 = 0 THEN 'NEW' ELSE 'SENT' END::outbox_status, now(),
            gen_random_uuid(), 'k', 't', '' FROM generate_series(1, %(rows)s) n;
    INSERT INTO backorder SELECT 'p' || 1 + n %% 100, lpad(to_hex(n), 32, '0')::uuid, 1
        FROM generate_series(1, %(rows)s) n;
    ANALYZE orders, order_request, event_outbox, backorder
"""
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
PAGE = {"lowest": as_text(0), "before": LAST, "limit": 51, "customer_id": "c7", "status": "PAID", "count_lines": True}
HOT = {
    "get_order": ("orders_pkey", {"order_id": as_text(7), "customer_id": None}),
    "lock_order": ("orders_pkey", {"order_id": as_text(7)}),
    "list_orders": ("orders_pkey", PAGE),
    "list_orders_of_customer": ("orders_by_customer", PAGE),
    "list_orders_in_status": ("orders_by_status", PAGE),
    "list_orders_of_customer_in_status": ("orders_by_customer", PAGE),
    "find_order_requests": ("order_request_first_pkey", {"customer_ids": "{c7,c8}", "request_ids": "{r7,r8}"}),
    "find_backorders": ("backorder_by_position", {"product_ids": ["p7", "p8"], "after": 0, "limit": 500}),
    "get_orders": ("orders_pkey", {"order_ids": f"{{{as_text(7)}}}"}),
}


def test_the_hot_queries_use_their_indexes(owner: psycopg.Connection, orders_dsn: str) -> None:
    cursor = psycopg.ClientCursor(owner)
    cursor.execute(FILL, {"rows": ROWS})
    # As with the prepared statements of the writer and the publisher, plans are generic.
    owner.execute("SET plan_cache_mode = force_generic_plan")
    queries = {name: (getattr(QUERIES, name), *expected) for name, expected in HOT.items()}
    shards = {"shards": [1, 2, 3], "floors": [0, 0, 0], "dead_keys": [], "per_shard": 20}
    ((today,),) = owner.execute("SELECT to_char(now(), 'YYYYMMDD')").fetchall()
    queries["read_events"] = (OUTBOX.read_events, f"event_outbox_{today}_shard_id_idx", shards)
    now_ms = int(time.time() * 1000)
    find = {"event_ids": [as_text(7)], "first_ms": now_ms, "last_ms": now_ms}
    queries["find_events"] = (LEDGER.find_events, f"event_outbox_{today}_occur_time_idx", find)
    for name, (query, index, parameters) in queries.items():
        plan = "\n".join(row[0] for row in owner.execute("EXPLAIN " + query, parameters))
        assert index in plan, f"{name}\n{plan}"
        # Partitions of future days are empty, and scanned without their index.
        assert not re.search(rf"Seq Scan on (orders|order_request_\d|backorder|event_outbox_{today})", plan), plan
