"""Every write x its connection broken at every point: the result is true, and a retry applies the write once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.message import Message
from grpc_status import rpc_status
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from orders_world import World, details, open_world, order

from faults.injection.postgres_proxy import BEGIN, COMMIT, Matches, PostgresProxy, statement
from stack.servers.postgres import Postgres

UNAVAILABLE, UNKNOWN = "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"
Send = Callable[[World, str, str], Awaitable[Any]]


@dataclass(frozen=True)
class Write:
    """A write: how to send it for an object with a request_id, and a query that counts how often it was applied."""

    send: Send
    happened: str
    # The transitions of a new order before the write; None for writes without an order.
    steps: tuple[str, ...] | None = None
    product: str = "p1"


def create(world: World, request_id: str, product: str) -> Awaitable[Any]:
    return world.service.CreateOrder(order((product, 1, 5), customer="it", request_id=request_id))


def create_batch(world: World, request_id: str, product: str) -> Awaitable[Any]:
    one = order((product, 1, 5), customer="it", request_id=request_id)
    return world.service.BatchCreateOrders(orders_pb2.BatchCreateOrdersRequest(requests=[one]))


def step(method: str) -> Send:
    def send(world: World, request_id: str, order_id: str) -> Awaitable[Any]:
        request = getattr(orders_pb2, f"{method}Request")(order_id=order_id, request_id=request_id)
        return getattr(world.service, method)(request)

    return send


def create_product(world: World, request_id: str, _: str) -> Awaitable[Any]:
    request = inventory_pb2.CreateProductRequest(product_id="new", name="n", price=1, request_id=request_id)
    return world.inventory.CreateProduct(request)


def restock(world: World, request_id: str, _: str) -> Awaitable[Any]:
    request = inventory_pb2.RestockProductRequest(product_id="p100", quantity=7, request_id=request_id)
    return world.inventory.RestockProduct(request)


def events(name: str) -> str:
    return f"SELECT count(*) FROM event_outbox WHERE event_type = {EventType.Value(name)}"


STORED = "SELECT count(*) FROM orders WHERE customer_id = 'it'"
WRITES = {
    "CreateOrder": Write(create, STORED),
    "BatchCreateOrders": Write(create_batch, STORED),
    "CreateOrder of stock": Write(create, STORED, product="p100"),
    "BatchCreateOrders of stock": Write(create_batch, STORED, product="p100"),
    "CompletePayment": Write(step("CompletePayment"), events("PAYMENT_COMPLETED"), ()),
    "ShipOrder": Write(step("ShipOrder"), events("ORDER_SHIPPED"), ("CompletePayment",)),
    "CancelOrder": Write(step("CancelOrder"), events("ORDER_CANCELLED"), ()),
    "CancelOrder of stock": Write(step("CancelOrder"), events("ORDER_CANCELLED"), (), "p100"),
    "CreateProduct": Write(create_product, "SELECT count(*) FROM product WHERE product_id = 'new'"),
    "RestockProduct": Write(restock, events("RESTOCKED")),
}
# One statement that commits by itself.
ONE_STATEMENT = {"CreateOrder", "BatchCreateOrders"}
END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE usename = current_user AND pid <> pg_backend_pid()
"""
INSERT = statement("INSERT INTO")
# Where it breaks: the statement, whether the server receives it, the reported reason, whether the write was applied.
POINTS: dict[str, tuple[Matches, bool, str, bool]] = {
    "before BEGIN": (BEGIN, False, UNAVAILABLE, False),
    "after BEGIN": (BEGIN, True, UNAVAILABLE, False),
    "within": (INSERT, False, UNAVAILABLE, False),
    "before COMMIT": (COMMIT, False, UNKNOWN, False),
    "after COMMIT": (COMMIT, True, UNKNOWN, True),
}
STATEMENT_POINTS: dict[str, tuple[Matches, bool, str, bool]] = {
    "before the statement": (INSERT, False, UNKNOWN, False),
    "after the statement": (INSERT, True, UNKNOWN, True),
}
# A write of each kind: one statement, a step of an order, a product. The others are for `make test-more`.
OF_EACH_KIND = {"CreateOrder", "CancelOrder of stock", "RestockProduct"}


def marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    """Return the marks of the tests of a write."""
    return () if name in OF_EACH_KIND else (pytest.mark.more,)


MATRIX = [
    pytest.param(write, *point, id=f"{name}, {where}", marks=marks(name))
    for name, write in WRITES.items()
    for where, point in (STATEMENT_POINTS if name in ONE_STATEMENT else POINTS).items()
]


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[PostgresProxy]:
    with PostgresProxy(("127.0.0.1", postgres.port)) as made:
        yield made


@pytest.fixture
async def proxied(postgres: Postgres, proxy: PostgresProxy, orders_dsn: str, run_folder: Path) -> AsyncIterator[World]:
    dsn = postgres.credentials.dsn("orders_app", "127.0.0.1", proxy.port)
    async with open_world(dsn, run_folder / "proxied.sock") as world:
        yield world


async def told(call: Awaitable[Any]) -> Any:
    """Return the response, or the reason of an error, also of the one order of a batch."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        return details(status)[0] if status else f"bare {error.code().name}"
    if isinstance(answer, orders_pb2.BatchCreateOrdersResponse) and answer.results[0].HasField("error"):
        return details(answer.results[0].error)[0]
    return answer


async def subject(world: World, write: Write) -> str:
    """Return the object of the write: a product, or a new order in the status that the write needs."""
    if write.steps is None:
        return write.product
    order_id: str = (await world.create((write.product, 1, 5))).order_id
    for method in write.steps:
        await step(method)(world, "", order_id)
    return order_id


@pytest.mark.parametrize(("write", "matches", "after", "reason", "happens"), MATRIX)
async def test_a_broken_write_has_a_true_result_and_a_retry_applies_it_once(
    proxied: World,
    proxy: PostgresProxy,
    owner: psycopg.Connection,
    write: Write,
    matches: Matches,
    after: bool,
    reason: str,
    happens: bool,
) -> None:
    about = await subject(proxied, write)
    (proxy.cut_after if after else proxy.cut_before)(matches)
    assert await told(write.send(proxied, "r", about)) == reason
    assert proxy.struck.is_set()
    assert owner.execute(write.happened).fetchone() == (int(happens),)
    answer = await told(write.send(proxied, "r", about))
    assert isinstance(answer, Message), answer
    again = write.send(proxied, "r", about)
    assert await told(again) == answer
    assert owner.execute(write.happened).fetchone() == (1,)
    if not isinstance(answer, orders_pb2.BatchCreateOrdersResponse):
        assert ("idempotent-replayed", "true") in tuple(await again.initial_metadata())  # type: ignore[attr-defined]


@pytest.mark.parametrize("write", [pytest.param(write, id=name, marks=marks(name)) for name, write in WRITES.items()])
async def test_a_session_that_ends_during_the_commit_has_an_unknown_outcome(
    proxied: World, proxy: PostgresProxy, orders_dsn: str, write: Write
) -> None:
    """The server reports 57P01, which is no reply to the COMMIT."""
    about = await subject(proxied, write)
    point = INSERT if write in (WRITES["CreateOrder"], WRITES["BatchCreateOrders"]) else COMMIT
    proxy.hold_before(point)
    call = asyncio.ensure_future(told(write.send(proxied, "r", about)))
    await asyncio.to_thread(proxy.struck.wait, 20)
    with psycopg.connect(orders_dsn) as other:
        other.execute(END_OTHERS)
    proxy.release()
    assert await call == UNKNOWN


async def test_a_write_without_a_pool_connection_is_refused_and_changes_nothing(
    proxied: World, proxy: PostgresProxy, owner: psycopg.Connection
) -> None:
    async with proxied.pool.connection(), proxied.pool.connection():
        proxy.refuse()
        proxy.cut()
        assert await told(restock(proxied, "r", "")) == UNAVAILABLE
    proxy.listen()
    assert owner.execute(WRITES["RestockProduct"].happened).fetchone() == (0,)


@pytest.mark.more
async def test_each_of_two_thousand_concurrent_restocks_is_answered_truthfully(world: World) -> None:
    await world.tracked("busy", 0)

    def one(number: int) -> Awaitable[Any]:
        request = inventory_pb2.RestockProductRequest(product_id="busy", quantity=1, request_id=f"r{number}")
        return world.inventory.RestockProduct(request)

    answers = await asyncio.gather(*(told(one(number)) for number in range(2000)))
    refusals = {answer for answer in answers if isinstance(answer, str)}
    assert refusals <= {UNAVAILABLE, "OVERLOADED"}
    accepted = sum(not isinstance(answer, str) for answer in answers)
    assert await world.stock("busy") == (accepted, 0)
