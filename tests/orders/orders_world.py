"""The orders services in this process, assembled as in `orders.serve`, and clients of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_status import rpc_status
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc
from psycopg_pool import AsyncConnectionPool
from signed_tokens import tokens

from orders.api import item_counts
from orders.api.admission import Admission
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.inventory_service import InventoryService
from orders.api.order_ledger_service import OrderLedgerService
from orders.api.order_service import OrderService
from orders.api.read_admission import ReadAdmission
from orders.domain.clock import DatabaseClock
from orders.outbox.notifier import Notifier
from orders.stock.backorder_release import BackorderReleases
from orders.stock.product_cache import ProductCache
from orders.stock.release_sweep import ReleaseSweep
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import StatusTransitions
from runtime.authentication import Authentication
from runtime.grpc.async_errors import AsyncErrors
from runtime.grpc.server import OPTIONS
from runtime.postgres.connections import async_pool


@dataclass
class World:
    dsn: str
    pool: AsyncConnectionPool[Any]
    clock: DatabaseClock
    products: ProductCache
    writer: Writer
    releases: BackorderReleases
    sweep: ReleaseSweep
    orders: OrderService
    service: Any
    inventory: Any
    ledger: Any
    writing: asyncio.Task[None]

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def value(self, query: str, *parameters: object) -> Any:
        return (await self.rows(query, *parameters))[0][0]

    async def tracked(self, product_id: str, stock: int) -> None:
        await self.inventory.CreateProduct(
            inventory_pb2.CreateProductRequest(product_id=product_id, name="x", price=1, tracked=True, stock=stock)
        )

    async def stock(self, product_id: str) -> tuple[int, int]:
        product = await self.inventory.GetProduct(inventory_pb2.GetProductRequest(product_id=product_id))
        return product.stock, product.awaited

    async def restock(self, product_id: str, quantity: int, request_id: str = "") -> int:
        request = inventory_pb2.RestockProductRequest(product_id=product_id, quantity=quantity, request_id=request_id)
        return (await self.inventory.RestockProduct(request)).released_orders

    async def create(self, *items: tuple[str, int, float], customer: str = "c", request_id: str = "") -> Any:
        return await self.service.CreateOrder(order(*items, customer=customer, request_id=request_id))

    async def events(self, order_id: str) -> list[tuple[str, int]]:
        """Return the types and sequences of an order's events in the outbox."""
        found = await self.rows("SELECT event_type, payload FROM event_outbox WHERE key = %s ORDER BY id", order_id)
        return [(EventType.Name(kind), OrderEvent.FromString(payload).sequence) for kind, payload in found]


@asynccontextmanager
async def open_world(
    dsn: str, socket: Path, max_in_flight: int = 5000, pool_size: int = 8, authentication: Authentication = "off"
) -> AsyncIterator[World]:
    async with async_pool(dsn, "tests", pool_size) as pool:
        clock, notifier, products = DatabaseClock(), Notifier(dsn), ProductCache(pool)
        writer = Writer(dsn, f"orders@{socket.name}", clock, notifier)
        releases = BackorderReleases(clock)
        sweep = ReleaseSweep(pool, releases, notifier)
        transitions = StatusTransitions(products, clock, releases)
        await writer.connect()
        admission, reads = Admission(max_in_flight), ReadAdmission(pool, max(1, max_in_flight // 2))
        writes = IdempotentWrites(pool, admission, notifier, releases, max(1, max_in_flight // 2))
        orders = OrderService(reads, products, writer, transitions, admission, writes, tokens())
        server = grpc.aio.server(interceptors=[AsyncErrors(authentication, item_counts.CHECKS)], options=OPTIONS)
        orders_pb2_grpc.add_OrderServiceServicer_to_server(orders, server)
        inventory_pb2_grpc.add_InventoryServiceServicer_to_server(
            InventoryService(reads, pool, clock, releases, writes, tokens()), server
        )
        ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedgerService(pool), server)
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        work = asyncio.gather(writer.run(), sweep.run())
        try:
            async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
                yield World(
                    dsn, pool, clock, products, writer, releases, sweep, orders,
                    orders_pb2_grpc.OrderServiceStub(channel),
                    inventory_pb2_grpc.InventoryServiceStub(channel),
                    ledger_pb2_grpc.OrderLedgerServiceStub(channel),
                    work,
                )  # fmt: skip
        finally:
            await server.stop(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def order(*items: tuple[str, int, float], customer: str = "c", request_id: str = "") -> orders_pb2.CreateOrderRequest:
    lines = [orders_pb2.OrderItem(product_id=p, quantity=q, price=price) for p, q, price in items]
    return orders_pb2.CreateOrderRequest(customer_id=customer, items=lines, request_id=request_id)


def details(status: RpcStatus) -> tuple[str, list[tuple[str, str]], float | None]:
    """Return the reason, the violations and the retry delay in seconds of a status."""
    reason, violations, delay = "", [], None
    for each in status.details:
        info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
        if each.Unpack(info):
            reason = info.reason
        elif each.Unpack(bad):
            violations = [(v.field, v.description) for v in bad.field_violations]
        elif each.Unpack(retry):
            delay = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, violations, delay


@dataclass
class Refusal:
    code: grpc.StatusCode
    reason: str
    violations: list[tuple[str, str]]
    retry_seconds: float | None

    @property
    def fields(self) -> list[str]:
        return [field for field, _ in self.violations]


async def refusal(call: Awaitable[Any]) -> Refusal:
    """Await a call that is refused and return its error."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        return Refusal(error.code(), *details(status) if status else ("", [], None))
    raise AssertionError(f"not refused: {answer}")


async def admitted(call: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call until the server is not overloaded, after the delays that it names, and return the answer."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            _, _, delay = details(rpc_status.from_call(error))
            await asyncio.sleep(delay)
