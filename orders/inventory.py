"""Serves InventoryService."""

from __future__ import annotations

from typing import Any, cast

import grpc
import psycopg
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import AsyncConnectionPool

from orders import events, rows, validate
from orders.clock import DatabaseClock
from orders.doorbell import Doorbell
from orders.ids import uuid7
from orders.outcomes import REPLAYED
from orders.releases import Releases
from orders.sql import QUERIES
from orders.stored import Row, product_message
from orders.tracked import lock_stocks, write_stocks
from runtime import page_token, tracing
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidRequest, NotFound, Violation
from runtime.postgres import retried

Context = grpc.aio.ServicerContext[Any, Any]


class Inventory(inventory_pb2_grpc.InventoryServiceServicer):
    """The catalogue and its stock."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        clock: DatabaseClock,
        doorbell: Doorbell,
        releases: Releases,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._doorbell = doorbell
        self._releases = releases

    async def ListProducts(
        self, request: inventory_pb2.ListProductsRequest, context: Context
    ) -> inventory_pb2.ListProductsResponse:
        """Return one page of products by product id."""
        violations: list[Violation] = []
        size = validate.page_size(request.page_size, violations)
        if violations:
            raise InvalidRequest(violations)
        filters = page_token.filters_hash(request)
        after = page_token.decode(request.page_token, filters).key if request.page_token else ""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(QUERIES.list_products, {"after": after, "limit": size + 1})
            found = await cursor.fetchall()
        page = [product_message(row) for row in found[:size]]
        token = PageToken(key=page[-1].product_id, filters_hash=filters) if len(found) > size else None
        return inventory_pb2.ListProductsResponse(
            products=page, next_page_token=page_token.encode(token) if token else ""
        )

    async def GetProduct(self, request: inventory_pb2.GetProductRequest, context: Context) -> inventory_pb2.Product:
        """Return one product."""
        return product_message(await self._product(validate.product_id(request.product_id)))

    async def CreateProduct(
        self, request: inventory_pb2.CreateProductRequest, context: Context
    ) -> inventory_pb2.Product:
        """Add a product."""
        price_minor = validate.create_product(request)
        parameters = {
            "product_id": request.product_id,
            "name": request.name,
            "price_minor": price_minor,
            "tracked": request.tracked,
            "stock": request.stock,
        }
        async with self._pool.connection() as connection:
            row = await (await connection.execute(QUERIES.insert_product, parameters)).fetchone()
        if row is None:
            raise AlreadyExists(
                ErrorReason.PRODUCT_EXISTS,
                f'product "{request.product_id}" exists',
                metadata={"product_id": request.product_id},
            )
        return product_message(row)

    async def RestockProduct(
        self, request: inventory_pb2.RestockProductRequest, context: Context
    ) -> inventory_pb2.RestockProductResponse:
        """Add stock and release waiting orders."""
        validate.restock(request)
        await self._check_tracked(request.product_id)
        traceparent = tracing.from_metadata(context.invocation_metadata()).traceparent
        fresh = await retried(lambda: self._restock(request, traceparent))
        released = 0
        if fresh:
            self._doorbell.ring()
            released = await self._releases.run([request.product_id], traceparent)
        else:
            await context.send_initial_metadata(REPLAYED)
        product = product_message(await self._product(request.product_id))
        return inventory_pb2.RestockProductResponse(product=product, released_orders=released)

    async def _product(self, product_id: str) -> Row:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(QUERIES.get_product, {"product_id": product_id})).fetchone()
        if row is None:
            raise NotFound(
                ErrorReason.PRODUCT_NOT_FOUND, f'no product "{product_id}"', metadata={"product_id": product_id}
            )
        return cast(Row, row)

    async def _check_tracked(self, product_id: str) -> None:
        if not product_message(await self._product(product_id)).tracked:
            raise FailedPrecondition(
                ErrorReason.PRODUCT_NOT_TRACKED,
                f'product "{product_id}" does not track stock',
                metadata={"product_id": product_id},
            )

    async def _restock(self, request: inventory_pb2.RestockProductRequest, traceparent: str) -> bool:
        """Add the stock with its event in one transaction; return False when the request_id did it before."""
        product_id, quantity = request.product_id, request.quantity
        parameters = {"product_id": product_id, "request_id": request.request_id, "quantity": quantity}
        async with self._pool.connection() as connection, connection.transaction():
            stocks = await lock_stocks(connection, [product_id])
            if request.request_id:
                cursor = await connection.execute(QUERIES.insert_restock_request, parameters)
                if await cursor.fetchone() is None:
                    await check_same_restock(connection, parameters)
                    return False
            stocks[product_id].give_back(quantity)
            await write_stocks(connection, stocks)
            now_us = self._clock.now_us()
            event = events.restocked(uuid7(now_us), product_id, quantity, now_us, traceparent)
            await connection.execute(QUERIES.insert_events, rows.event_parameters([event]))
            await self._releases.begin(connection, [product_id])
        return True


async def check_same_restock(connection: psycopg.AsyncConnection[Any], parameters: dict[str, Any]) -> None:
    """Raise AlreadyExists when the earlier restock with this request_id was of another quantity."""
    row = await (await connection.execute(QUERIES.find_restock_request, parameters)).fetchone()
    if row is None or row[0] != parameters["quantity"]:
        request_id = parameters["request_id"]
        raise AlreadyExists(
            ErrorReason.REQUEST_ID_REUSED,
            f'request_id "{request_id}" was used with other content',
            metadata={"request_id": request_id},
        )
