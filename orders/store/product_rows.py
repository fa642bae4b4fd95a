"""Reads and inserts rows of products."""

from __future__ import annotations

from typing import NamedTuple

from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.inventory_pb2 import CreateProductRequest

from orders.store.queries import QUERIES
from runtime.errors import AlreadyExists, NotFound
from runtime.postgres.connection_types import AsyncConnection


class ProductRow(NamedTuple):
    """A row of get_product, list_products or insert_product."""

    product_id: str
    name: str
    price_minor: int
    tracked: bool
    stock: int
    awaited: int
    created_at_us: int


async def fetch_product(connection: AsyncConnection, product_id: str) -> ProductRow:
    """Return a product. Raises NotFound."""
    row = await (await connection.execute(QUERIES.get_product, {"product_id": product_id})).fetchone()
    if row is None:
        raise NotFound(ErrorReason.PRODUCT_NOT_FOUND, f'no product "{product_id}"', metadata={"product_id": product_id})
    return ProductRow(*row)


async def list_products(connection: AsyncConnection, after: str, limit: int) -> list[ProductRow]:
    """Return up to `limit` products whose ids follow `after`, by id."""
    cursor = await connection.execute(QUERIES.list_products, {"after": after, "limit": limit})
    return [ProductRow(*row) for row in await cursor.fetchall()]


async def insert_product(connection: AsyncConnection, request: CreateProductRequest, price_minor: int) -> ProductRow:
    """Insert a product and return its row. Raises AlreadyExists."""
    parameters = {
        "product_id": request.product_id,
        "name": request.name,
        "price_minor": price_minor,
        "tracked": request.tracked,
        "stock": request.stock,
    }
    row = await (await connection.execute(QUERIES.insert_product, parameters)).fetchone()
    if row is None:
        raise AlreadyExists(
            ErrorReason.PRODUCT_EXISTS,
            f'product "{request.product_id}" exists',
            metadata={"product_id": request.product_id},
        )
    return ProductRow(*row)
