"""Serves InventoryService: products and their stock."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import grpc
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import AsyncConnectionPool

from orders.api import validation
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.messages import product_message
from orders.api.read_admission import ReadAdmission
from orders.domain import events
from orders.domain.clock import DatabaseClock
from orders.domain.ids import uuid7
from orders.stock.backorder_release import BackorderReleases
from orders.stock.stock_locks import write_stocks
from orders.store.insert_events import insert_events
from orders.store.product_rows import ProductRow, fetch_product, insert_product, list_products
from runtime.audit.entries import Action, Origin, record_async
from runtime.errors import FailedPrecondition
from runtime.identity import origin
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry import trace_context
from runtime.telemetry.tracing import server_span
from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.page_token import PageTokens

LIST_PRODUCTS = "ordermesh.orders.v1.InventoryService/ListProducts"
# JSON may take six times as much: escapes in names.
MAX_PAGE_BYTES = 256 * 1024

Context = grpc.aio.ServicerContext[Any, Any]


class InventoryService(inventory_pb2_grpc.InventoryServiceServicer):
    """The methods of InventoryService."""

    def __init__(
        self,
        reads: ReadAdmission,
        pool: AsyncConnectionPool[AsyncConnection],
        clock: DatabaseClock,
        releases: BackorderReleases,
        writes: IdempotentWrites,
        tokens: OpaqueTokens,
    ) -> None:
        self._reads = reads
        self._pool = pool
        self._clock = clock
        self._releases = releases
        self._writes = writes
        self._page_tokens = PageTokens(tokens, LIST_PRODUCTS)

    async def ListProducts(
        self, request: inventory_pb2.ListProductsRequest, context: Context
    ) -> inventory_pb2.ListProductsResponse:
        """Return a page of products, by product id."""
        size = validation.PRODUCTS_PAGE_SIZE.value(request.page_size)
        after = self._page_tokens.decode(request.page_token, request).key if request.page_token else ""
        async with self._reads.connection(size, context) as connection:
            found = await list_products(connection, after, size + 1)
        page = within_max_bytes([product_message(row) for row in found[:size]])
        response = inventory_pb2.ListProductsResponse(products=page)
        if len(found) > len(page):
            response.next_page_token = self._page_tokens.encode(PageToken(key=page[-1].product_id), request)
        return response

    async def GetProduct(self, request: inventory_pb2.GetProductRequest, context: Context) -> inventory_pb2.Product:
        """Return one product."""
        product_id = validation.product_id(request.product_id)
        async with self._reads.connection(1, context) as connection:
            return product_message(await fetch_product(connection, product_id))

    async def CreateProduct(
        self, request: inventory_pb2.CreateProductRequest, context: Context
    ) -> inventory_pb2.Product:
        """Create a product."""
        price_minor = validation.create_product(request)
        metadata = context.invocation_metadata()
        operator = origin.of_operator(metadata, trace_context.from_metadata(metadata))

        async def create(connection: AsyncConnection) -> inventory_pb2.Product:
            row = await insert_product(connection, request, price_minor)
            await self._record(connection, operator, Action("CreateProduct", row.product_id, None, row._asdict()))
            return product_message(row)

        return await self._writes.run(request, request.product_id, context, inventory_pb2.Product, create)

    async def RestockProduct(
        self, request: inventory_pb2.RestockProductRequest, context: Context
    ) -> inventory_pb2.RestockProductResponse:
        """Add stock and release backorders."""
        validation.restock(request)
        metadata = context.invocation_metadata()
        trace = server_span.trace_of(metadata)
        operator = origin.of_operator(metadata, trace)

        async def restock(connection: AsyncConnection) -> inventory_pb2.RestockProductResponse:
            return await self._restock(connection, request, trace.traceparent, operator)

        response_type = inventory_pb2.RestockProductResponse
        response = await self._writes.run(request, request.product_id, context, response_type, restock)
        if not response.HasField("product"):
            # A replay of a restock that was made before responses were saved.
            async with self._pool.connection() as connection:
                response.product.CopyFrom(product_message(await fetch_product(connection, request.product_id)))
        return response

    async def _restock(
        self,
        connection: AsyncConnection,
        request: inventory_pb2.RestockProductRequest,
        traceparent: str,
        operator: Origin | None,
    ) -> inventory_pb2.RestockProductResponse:
        """Add stock, insert its event, and release the backorders that it suffices for."""
        product_id, quantity = request.product_id, request.quantity
        before = await fetch_product(connection, product_id)
        if not before.tracked:
            raise FailedPrecondition(
                ErrorReason.PRODUCT_NOT_TRACKED,
                f'product "{product_id}" does not track stock',
                metadata={"product_id": product_id},
            )
        stocks = await self._releases.lock(connection, [product_id])
        now_us = self._clock.now_us()
        stocks[product_id].add(quantity, now_us)
        event = events.restocked(uuid7(now_us), product_id, quantity, now_us, traceparent)
        await insert_events(connection, [event])
        released = await self._releases.release(connection, [product_id], stocks, traceparent)
        await write_stocks(connection, stocks)
        after = await fetch_product(connection, product_id)
        changes = (stock_of(before), {**stock_of(after), "released_orders": released})
        await self._record(connection, operator, Action("RestockProduct", product_id, *changes))
        return inventory_pb2.RestockProductResponse(product=product_message(after), released_orders=released)

    async def _record(self, connection: AsyncConnection, operator: Origin | None, action: Action) -> None:
        if operator is not None:
            await record_async(connection, operator, action)


def stock_of(row: ProductRow) -> dict[str, object]:
    """Return what a restock changes of a product."""
    return {"stock": row.stock, "awaited": row.awaited}


def within_max_bytes(products: list[inventory_pb2.Product]) -> list[inventory_pb2.Product]:
    """Return the first products that fit into MAX_PAGE_BYTES, at least one."""
    totals = accumulate(product.ByteSize() for product in products)
    return products[: max(1, sum(total <= MAX_PAGE_BYTES for total in totals))]
