"""Serves InventoryService."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import grpc
import psycopg
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import AsyncConnectionPool

from orders.api import validation
from orders.api.idempotent_writes import Changes, Connection
from orders.api.messages import product_message
from orders.api.read_admission import Reads
from orders.domain import events
from orders.domain.clock import DatabaseClock
from orders.domain.ids import uuid7
from orders.stock.backorder_release import Releases
from orders.stock.tracked_orders import write_stocks
from orders.store import insert_orders
from orders.store.product_rows import fetch_product, insert_product, list_products
from orders.store.queries import QUERIES
from runtime.errors import FailedPrecondition, InvalidRequest, Violation
from runtime.grpc import page_token
from runtime.telemetry import trace_context

# As JSON, a name may take six times as much.
MAX_PAGE_BYTES = 256 * 1024

Context = grpc.aio.ServicerContext[Any, Any]


class Inventory(inventory_pb2_grpc.InventoryServiceServicer):
    """The catalogue and its stock."""

    def __init__(
        self,
        reads: Reads,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        clock: DatabaseClock,
        releases: Releases,
        changes: Changes,
    ) -> None:
        self._reads = reads
        self._pool = pool
        self._clock = clock
        self._releases = releases
        self._changes = changes

    async def ListProducts(
        self, request: inventory_pb2.ListProductsRequest, context: Context
    ) -> inventory_pb2.ListProductsResponse:
        """Return one page of products by product id."""
        violations: list[Violation] = []
        size = validation.page_size(request.page_size, violations)
        if violations:
            raise InvalidRequest(violations)
        filters = page_token.filters_hash(request)
        after = page_token.decode(request.page_token, filters).key if request.page_token else ""
        async with self._reads.connection(size, context) as connection:
            found = await list_products(connection, after, size + 1)
        page = first_bytes([product_message(row) for row in found[:size]])
        token = PageToken(key=page[-1].product_id, filters_hash=filters) if len(found) > len(page) else None
        return inventory_pb2.ListProductsResponse(
            products=page, next_page_token=page_token.encode(token) if token else ""
        )

    async def GetProduct(self, request: inventory_pb2.GetProductRequest, context: Context) -> inventory_pb2.Product:
        """Return one product."""
        product_id = validation.product_id(request.product_id)
        async with self._reads.connection(1, context) as connection:
            return product_message(await fetch_product(connection, product_id))

    async def CreateProduct(
        self, request: inventory_pb2.CreateProductRequest, context: Context
    ) -> inventory_pb2.Product:
        """Add a product."""
        price_minor = validation.create_product(request)

        async def create(connection: Connection) -> inventory_pb2.Product:
            return product_message(await insert_product(connection, request, price_minor))

        return await self._changes.make(request, request.product_id, context, inventory_pb2.Product, create)

    async def RestockProduct(
        self, request: inventory_pb2.RestockProductRequest, context: Context
    ) -> inventory_pb2.RestockProductResponse:
        """Add stock and release waiting orders."""
        validation.restock(request)
        traceparent = trace_context.from_metadata(context.invocation_metadata()).traceparent

        async def restock(connection: Connection) -> inventory_pb2.RestockProductResponse:
            return await self._restock(connection, request, traceparent)

        kind = inventory_pb2.RestockProductResponse
        answer = await self._changes.make(request, request.product_id, context, kind, restock)
        if not answer.HasField("product"):
            # The first answer was given before answers were kept.
            async with self._pool.connection() as connection:
                answer.product.CopyFrom(product_message(await fetch_product(connection, request.product_id)))
        return answer

    async def _restock(
        self, connection: Connection, request: inventory_pb2.RestockProductRequest, traceparent: str
    ) -> inventory_pb2.RestockProductResponse:
        """Add the stock with its event, and release those who can have it now, in one transaction."""
        product_id, quantity = request.product_id, request.quantity
        if not (await fetch_product(connection, product_id)).tracked:
            raise FailedPrecondition(
                ErrorReason.PRODUCT_NOT_TRACKED,
                f'product "{product_id}" does not track stock',
                metadata={"product_id": product_id},
            )
        stocks = await self._releases.lock(connection, [product_id])
        now_us = self._clock.now_us()
        stocks[product_id].give_back(quantity, now_us)
        event = events.restocked(uuid7(now_us), product_id, quantity, now_us, traceparent)
        await connection.execute(QUERIES.insert_events, insert_orders.event_parameters([event]))
        released = await self._releases.give(connection, [product_id], stocks, traceparent)
        await write_stocks(connection, stocks)
        product = product_message(await fetch_product(connection, product_id))
        return inventory_pb2.RestockProductResponse(product=product, released_orders=released)


def first_bytes(products: list[inventory_pb2.Product]) -> list[inventory_pb2.Product]:
    """Return as many of the products as a page may have bytes, at least one where there is one."""
    totals = accumulate(product.ByteSize() for product in products)
    return products[: max(1, sum(total <= MAX_PAGE_BYTES for total in totals))]
