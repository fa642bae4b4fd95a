import asyncio
import random
import uuid
from dataclasses import replace
from pathlib import Path

import grpc
import psycopg
import pytest
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.orders.v1 import orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from orders_world import World, admitted, open_world, refusal
from waiting import until_true

from orders.stock import backorder_release, release_sweep

CANCEL, PAY, SHIP, GET = "CancelOrder", "CompletePayment", "ShipOrder", "GetOrder"
REQUESTS = {
    CANCEL: orders_pb2.CancelOrderRequest,
    PAY: orders_pb2.CompletePaymentRequest,
    SHIP: orders_pb2.ShipOrderRequest,
    GET: orders_pb2.GetOrderRequest,
}
TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


async def awaited_stock(world: World, product: str, wanted: tuple[int, int]) -> None:
    async def reached() -> bool:
        return await world.stock(product) == wanted

    await until_true(reached, f"{product} has {wanted}")


async def act(world: World, method: str, order_id: str) -> Order:
    return await getattr(world.service, method)(REQUESTS[method](order_id=order_id))


async def test_each_transition_of_an_order_has_one_event_without_gaps(world: World) -> None:
    order_id = (await world.create(("p1", 1, 1))).order_id
    for method, status in ((PAY, Order.PAID), (PAY, Order.PAID), (SHIP, Order.SHIPPED), (SHIP, Order.SHIPPED)):
        assert (await act(world, method, order_id)).status == status
    assert await world.events(order_id) == [("ORDER_CREATED", 1), ("PAYMENT_COMPLETED", 2), ("ORDER_SHIPPED", 3)]
    assert (await act(world, GET, order_id)).status == Order.SHIPPED
    refused = await refusal(act(world, CANCEL, order_id))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION")
    assert len(await world.events(order_id)) == 3


@pytest.mark.parametrize("product", ["p1", "p100"])
async def test_concurrent_calls_for_the_same_transition_write_one_event(world: World, product: str) -> None:
    order_id = (await world.create((product, 1, 1))).order_id
    # Like calls of several processes, which have limiters of their own.
    limiter = world.orders._writes._scope_limiter
    limiter._limits = replace(limiter._limits, max_concurrent=4)
    async with await psycopg.AsyncConnection.connect(world.dsn) as holder:
        await holder.execute("SELECT FROM orders FOR UPDATE")
        calls = [asyncio.ensure_future(act(world, CANCEL, order_id)) for _ in range(4)]
        query = "SELECT count(DISTINCT pid) >= 2 FROM pg_locks WHERE NOT granted"
        await until_true(lambda: world.value(query), "two transactions wait")
    await asyncio.gather(*calls)
    assert await world.events(order_id) == [("ORDER_CREATED", 1), ("ORDER_CANCELLED", 2)]
    assert await world.stock("p100") == (1_000_000, 0)


@pytest.mark.parametrize("method", [CANCEL, PAY, SHIP, GET])
async def test_malformed_ids_and_unknown_orders_have_different_errors(world: World, method: str) -> None:
    for text in ("", "x", "019a0000-0000-7000-8000-00000000000", "{019a0000-0000-7000-8000-000000000000}"):
        refused = await refusal(act(world, method, text))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["order_id"])
    refused = await refusal(act(world, method, "019a0000-0000-7000-8000-000000000000"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND")


async def test_a_cancellation_releases_the_oldest_backorder_that_fits(world: World) -> None:
    await world.tracked("t", 5)
    holder = await world.create(("t", 3, 1), ("t", 2, 1))
    too_big, first, second = [await world.create(("t", n, 1)) for n in (6, 4, 1)]
    assert await world.stock("t") == (0, 11)
    assert (await act(world, CANCEL, holder.order_id)).status == Order.CANCELLED
    statuses = [(await act(world, GET, each.order_id)).status for each in (too_big, first, second)]
    assert statuses == [Order.PENDING_RESTOCK, Order.CREATED, Order.CREATED]
    assert await world.stock("t") == (0, 6)
    assert await world.events(first.order_id) == [("ORDER_CREATED", 1), ("STOCK_ALLOCATED", 2)]
    assert (await act(world, CANCEL, too_big.order_id)).status == Order.CANCELLED
    assert await world.stock("t") == (0, 0)
    assert await world.value("SELECT count(*) FROM backorder") == 0


async def test_an_order_of_several_products_is_allocated_as_a_whole_or_not_at_all(world: World) -> None:
    await world.tracked("a", 5)
    await world.tracked("b", 0)
    short = await world.create(("a", 5, 1), ("b", 1, 1), ("p1", 1, 1))
    assert short.status == Order.PENDING_RESTOCK
    assert (await world.stock("a"), await world.stock("b")) == ((5, 5), (0, 1))
    assert await world.restock("b", 1) == 1
    assert (await world.stock("a"), await world.stock("b")) == ((0, 0), (0, 0))


async def test_a_restock_releases_hundreds_of_backorders_before_it_answers_and_the_others_after(world: World) -> None:
    await waiting(world, 1200)
    assert await world.restock("t", 1100) == 500
    await awaited_stock(world, "t", (0, 100))
    allocated = "SELECT count(*), count(DISTINCT key) FROM event_outbox WHERE event_type = 2"
    assert await world.rows(allocated) == [(1100, 1100)]
    # Oldest first: the remaining backorders are the newest.
    newest_allocated = await world.value("SELECT max(order_id::text) FROM orders WHERE status = 'CREATED'")
    oldest_waiting = await world.value("SELECT min(order_id::text) FROM orders WHERE status = 'PENDING_RESTOCK'")
    assert newest_allocated < oldest_waiting
    assert await world.value("SELECT release_from FROM product WHERE product_id = 't'") is None


async def test_another_process_continues_a_release_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch, orders_dsn: str, run_folder: Path
) -> None:
    await waiting(world, 700)
    monkeypatch.setattr(world.releases, "continue_scheduled", lambda: None)
    monkeypatch.setattr(release_sweep, "SWEEP_SECONDS", 60)
    await world.restock("t", 700)
    assert await world.stock("t") == (200, 200)
    monkeypatch.setattr(release_sweep, "SWEEP_SECONDS", 0.01)
    async with open_world(orders_dsn, run_folder / "other.sock") as other:
        await awaited_stock(other, "t", (0, 0))
    assert await world.value("SELECT count(*) FROM event_outbox WHERE event_type = 2") == 700


async def test_a_backorder_inserted_while_a_release_begins_is_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backorders are read before their products are locked, since all products are locked by id."""
    await world.tracked("t", 0)
    real, late = backorder_release.lock_stocks, []

    async def waits_meanwhile(connection: psycopg.AsyncConnection, products: list[str]) -> object:
        if not late:
            late.append(await world.create(("t", 1, 1)))
        return await real(connection, products)

    monkeypatch.setattr(backorder_release, "lock_stocks", waits_meanwhile)
    assert await world.restock("t", 1) == 1
    assert (await act(world, GET, late[0].order_id)).status == Order.CREATED


async def test_a_release_that_ends_keeps_one_that_was_scheduled_meanwhile(world: World) -> None:
    await world.tracked("t", 0)
    async with world.pool.connection() as connection:
        await world.releases.schedule(connection, ["t"])
        await world.releases.continue_release(connection, ["t"], 1_000, TRACE)
    assert await world.value("SELECT release_from FROM product WHERE product_id = 't'") == 0


async def waiting(world: World, number: int) -> None:
    """Create backorders of one unit of a product "t"."""
    await world.tracked("t", 0)
    one = orders_pb2.CreateOrderRequest(
        customer_id="c", items=[orders_pb2.OrderItem(product_id="t", quantity=1, price=1)]
    )
    for size in [500] * (number // 500) + [number % 500]:
        await world.service.BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest(requests=[one] * size))
    assert await world.stock("t") == (0, number)


async def test_concurrent_changes_of_stock_by_two_processes_lose_no_unit(
    world: World, orders_dsn: str, run_folder: Path
) -> None:
    products, dice = ["x", "y", "z"], random.Random(5)
    for product in products:
        await world.tracked(product, 20)
    added = dict.fromkeys(products, 20)
    made: list[str] = []

    async def one(each: World) -> None:
        choice, request_id = dice.random(), str(uuid.uuid4())
        if choice < 0.6 or not made:
            items = [(product, dice.randint(1, 5), 1) for product in dice.sample(products, dice.randint(1, 3))]
            made.append((await admitted(lambda: each.create(*items, request_id=request_id))).order_id)
        elif choice < 0.8:
            order_id = dice.choice(made)
            await admitted(lambda: act(each, CANCEL, order_id))
        else:
            product = dice.choice(products)
            added[product] += 3
            await admitted(lambda: each.restock(product, 3, request_id))

    async with open_world(orders_dsn, run_folder / "other.sock") as other:
        for _ in range(6):
            await asyncio.gather(*(one(each) for each in (world, other) * 15))
    for product in products:
        held = await world.value(
            "SELECT coalesce(sum(quantity), 0)::int FROM order_item JOIN orders USING (order_id)"
            " WHERE product_id = %s AND status = 'CREATED'",
            product,
        )
        wanted = await world.value(
            "SELECT coalesce(sum(quantity), 0)::int FROM backorder WHERE product_id = %s", product
        )
        stock, awaited = await world.stock(product)
        assert stock + held == added[product]
        assert awaited == wanted
    await without_gaps(world)


async def without_gaps(world: World) -> None:
    events = await world.rows("SELECT payload FROM event_outbox WHERE event_type < 16 ORDER BY id")
    seen: dict[str, int] = {}
    for (payload,) in events:
        event = OrderEvent.FromString(payload)
        assert event.sequence == seen.get(event.order_id, 0) + 1
        seen[event.order_id] = event.sequence
    assert await world.rows("SELECT order_id::text, sequence FROM orders ORDER BY 1") == sorted(seen.items())
