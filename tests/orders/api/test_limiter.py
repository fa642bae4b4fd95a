"""Limits of reads and writes at the database: calls wait, and are refused only when waiting is useless."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from ordermesh.orders.v1 import inventory_pb2
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest, Order
from orders_world import Refusal, World, open_world, refusal
from psycopg_pool import PoolTimeout
from waiting import until_true

from orders.api.admission import Admission
from orders.api.limiter import KeyedLimiter, Limiter, Limits, MeanDuration
from runtime.errors import Overloaded, Unavailable
from runtime.postgres.connections import async_pool
from runtime.postgres.pool import Pool
from runtime.postgres.sqlstates import PoolBusy
from stack.servers.postgres import Postgres

# The defaults of a process.
ADMITTED, CONNECTIONS = 500, 4
FAR = float("inf")
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def usual(orders_dsn: str, run_folder: Path) -> AsyncIterator[World]:
    async with open_world(orders_dsn, run_folder / "usual.sock", ADMITTED, CONNECTIONS) as made:
        yield made


def fill(owner: psycopg.Connection, orders: int, customer: str) -> None:
    owner.execute(
        """
        INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
        SELECT gen_random_uuid(), %s, 'CREATED', 1, now(), now(), '', ARRAY[ROW('p1', 1, 1)::order_line]
        FROM generate_series(1, %s)
        """,
        (customer, orders),
    )


@asynccontextmanager
async def locked(dsn: str, *product_ids: str) -> AsyncIterator[None]:
    """Hold row locks on products, as another session does."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        rows = "SELECT 1 FROM product WHERE product_id = ANY(%s) FOR UPDATE"
        await connection.execute(rows, (list(product_ids),))
        yield
        await connection.rollback()


async def condition(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # no event tells it
        await asyncio.sleep(0)


def restock(world: World, product_id: str, **options: Any) -> Any:
    return world.inventory.RestockProduct(
        inventory_pb2.RestockProductRequest(product_id=product_id, quantity=1), **options
    )


async def true() -> bool:
    return True


async def false() -> bool:
    return False


def limits(max_concurrent: int = 1, max_waiting: int = 100, answers: Callable[[], Awaitable[bool]] = true) -> Limits:
    return Limits(max_concurrent, max_waiting, answers)


async def test_ordinary_concurrent_reads_are_all_answered(usual: World, owner: psycopg.Connection) -> None:
    fill(owner, 16, "few")
    fill(owner, 1000, "many")
    products = inventory_pb2.ListProductsRequest(page_size=1000)
    calls: list[tuple[int, int, Callable[[], Any]]] = [
        (16, 16, lambda: usual.service.ListOrders(ListOrdersRequest(customer_id="few", page_size=1000))),
        (16, 1000, lambda: usual.service.ListOrders(ListOrdersRequest(customer_id="many", page_size=1000))),
        (100, 50, lambda: usual.service.ListOrders(ListOrdersRequest())),
    ]
    for times, size, call in calls:
        pages = await asyncio.gather(*(call() for _ in range(times)))
        assert {len(page.orders) for page in pages} == {size}
    pages = await asyncio.gather(*(usual.inventory.ListProducts(products) for _ in range(16)))
    assert {len(page.products) for page in pages} == {1000}


async def test_waiting_reads_cause_refusals_of_reads_and_delay_no_order(orders_dsn: str, run_folder: Path) -> None:
    async with open_world(orders_dsn, run_folder / "small.sock", max_in_flight=4) as world:
        await world.create(("p1", 1, 1))
        limiter = world.orders._reads._limiter
        async with limiter.acquire(FAR), limiter.acquire(FAR), limiter.acquire(FAR), limiter.acquire(FAR):
            calls = [world.service.ListOrders(ListOrdersRequest(page_size=1)) for _ in range(2)]
            await condition(lambda: limiter.waiting == 2)
            refused = await refusal(world.service.ListOrders(ListOrdersRequest(page_size=1)))
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert refused.retry_seconds
            assert (await world.create(("p1", 1, 1))).status == Order.CREATED
        for call in calls:
            assert (await call).orders


async def test_long_reads_leave_a_connection_to_short_ones(usual: World, postgres: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.dsn("orders_owner")) as connection:
        await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        long = [usual.service.ListOrders(ListOrdersRequest(page_size=1000)) for _ in range(8)]
        await until_true(lambda: usual.value(WAITERS), "a list waits for the table")
        assert (await usual.inventory.ListProducts(inventory_pb2.ListProductsRequest(page_size=1))).products
        assert await usual.value(WAITERS) == 1
        await connection.rollback()
    assert [len(page.orders) for page in await asyncio.gather(*long)] == [0] * 8


async def outcomes(calls: Sequence[Any]) -> list[Refusal]:
    """Await calls and return the errors of those that were refused."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return [await refusal(call) for call, answer in zip(calls, answers, strict=True) if isinstance(answer, Exception)]


async def test_concurrent_writes_of_one_product_run_one_after_another(
    usual: World, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = await outcomes([restock(usual, "p100") for _ in range(300)])
    assert {(each.code, each.reason) for each in refused} <= {(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")}
    assert all(each.retry_seconds for each in refused)
    assert (await usual.stock("p100"))[0] == 1_000_000 + 300 - len(refused)
    assert "database unavailable" not in "".join(capfd.readouterr())


async def test_a_locked_product_delays_its_own_writes_only(usual: World) -> None:
    await usual.tracked("other", 0)
    async with locked(usual.dsn, "p100"):
        hot = [restock(usual, "p100") for _ in range(50)]
        await asyncio.gather(*(restock(usual, "other") for _ in range(10)))
        await usual.stock("p100")
        await until_true(lambda: usual.value(WAITERS), "a transaction waits")
        # None of the others holds a connection.
        assert await usual.value(WAITERS) == 1
        held, *others = hot
        refused = await outcomes(others)
        assert [each.reason for each in refused] == ["OVERLOADED"] * len(others)
    await held
    assert (await usual.stock("p100"))[0] == 1_000_001


async def test_more_locked_products_than_connections_delay_no_read_and_no_order(usual: World) -> None:
    products = [f"kept-{number}" for number in range(6)]
    for product in products:
        await usual.tracked(product, 0)
    async with locked(usual.dsn, *products):
        changes = [restock(usual, product) for product in products]

        async def all_wait() -> bool:
            return bool(await usual.value(WAITERS) >= CONNECTIONS - 1)

        await until_true(all_wait, "every connection waits")
        await usual.stock("p100")
        assert (await usual.service.ListOrders(ListOrdersRequest())).orders == []
        assert (await usual.create(("p1", 1, 1))).status == Order.CREATED
        assert await usual.value(WAITERS) == CONNECTIONS - 1
    refused = await outcomes(changes)
    assert {each.reason for each in refused} <= {"OVERLOADED"}


async def test_a_cancelled_write_releases_its_slot(usual: World) -> None:
    limiter = usual.orders._writes._scope_limiter
    async with locked(usual.dsn, "p100"):
        calls = [restock(usual, "p100") for _ in range(3)]
        await condition(lambda: limiter._users.get("p100") == 3)
        for call in calls:
            call.cancel()
        await condition(lambda: not limiter._users)
    assert limiter._limiters == {}
    await restock(usual, "p100")


async def test_a_full_pool_and_an_unreachable_database_have_different_errors(orders_dsn: str) -> None:
    async with async_pool(orders_dsn, "tests", 1) as pool:
        async with pool.connection():
            with pytest.raises(PoolBusy):
                await pool.getconn(0.01)
        assert pool._in_use == 0
    gone: Pool = async_pool("postgresql://127.0.0.1:1/orders", "tests", 1)
    await gone.open()
    with pytest.raises(PoolTimeout) as told:
        await gone.getconn(0.01)
    assert not isinstance(told.value, PoolBusy)
    assert not await gone.answers()
    await gone.close()


async def test_slots_are_acquired_in_the_order_of_arrival() -> None:
    limiter, seen = Limiter(limits(), MeanDuration()), []

    async def work(number: int) -> None:
        async with limiter.acquire(FAR):
            seen.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert seen == list(range(20))


async def test_clients_get_slots_in_turn() -> None:
    limiter, seen = Limiter(limits(), MeanDuration()), []

    async def work(client: str) -> None:
        async with limiter.acquire(FAR, client=client):
            seen.append(client)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(client) for client in ["flood"] * 20 + ["other"] * 2))
    assert seen[:5] == ["flood", "flood", "other", "flood", "other"]
    assert limiter.waiting == 0


async def test_the_last_quarter_of_the_places_to_wait_is_for_clients_that_do_not_wait() -> None:
    limiter = Limiter(limits(max_waiting=8), MeanDuration(0.0))
    async with limiter.acquire(FAR, client="flood"):
        waiting = [asyncio.create_task(limiter.acquire(FAR, client="flood").__aenter__()) for _ in range(20)]
        await condition(lambda: sum(each.done() for each in waiting) == 14)
        assert limiter.waiting == 6
        other = asyncio.create_task(limiter.acquire(FAR, client="other").__aenter__())
        await condition(lambda: limiter.waiting == 7)
        for each in (*waiting, other):
            each.cancel()
        await asyncio.gather(*waiting, other, return_exceptions=True)
    assert (limiter.waiting, limiter._slots._free, limiter._slots._waiting) == (0, 1, {})


async def test_a_client_with_calls_in_progress_leaves_a_quarter_to_others() -> None:
    admission = Admission(8)
    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(admission.admit(1, None, "flood"))
        with pytest.raises(Overloaded):
            held.enter_context(admission.admit(1, None, "flood"))
        held.enter_context(admission.admit(1, None, "other"))
    assert (admission.in_flight, admission._of_client) == (0, {})


async def test_a_call_that_would_wait_beyond_its_deadline_is_refused_at_once() -> None:
    """Two calls wait for work of 10 s: the third would begin after 20 s."""
    limiter = Limiter(limits(), MeanDuration(10.0))
    async with limiter.acquire(FAR):
        waiting = [asyncio.create_task(limiter.acquire(FAR).__aenter__()) for _ in range(2)]
        await condition(lambda: limiter.waiting == 2)
        with pytest.raises(Overloaded):
            await limiter.acquire(time.monotonic() + 19).__aenter__()
        patient = asyncio.create_task(limiter.acquire(time.monotonic() + 25).__aenter__())
        await condition(lambda: limiter.waiting == 3)
    for each in (*waiting, patient):
        each.cancel()


@pytest.mark.parametrize(("answers", "told"), [(true, Overloaded), (false, Unavailable)])
async def test_the_error_after_a_timeout_tells_whether_the_database_answers(
    answers: Callable[[], Awaitable[bool]], told: type[Exception]
) -> None:
    limiter = Limiter(limits(answers=answers), MeanDuration())
    async with limiter.acquire(FAR):
        with pytest.raises(told):
            await limiter.acquire(time.monotonic()).__aenter__()
    async with limiter.acquire(FAR):
        assert limiter.waiting == 0


async def test_keys_have_limiters_of_their_own_which_are_removed() -> None:
    limiter = KeyedLimiter(limits())
    async with limiter.acquire("a", FAR), limiter.acquire("b", FAR):
        assert set(limiter._limiters) == {"a", "b"}
        with pytest.raises(Overloaded):
            await limiter.acquire("a", time.monotonic()).__aenter__()
    assert (limiter._limiters, limiter._users) == ({}, {})
