"""Caches which products exist and whether they are tracked. Neither changes once a product exists."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence

from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import AsyncConnectionPool

from orders.domain.order import Line, Needs, NewOrder
from orders.stock import allocation
from orders.store.queries import QUERIES
from runtime.errors import InvalidRequest, Violation
from runtime.postgres.connection_types import AsyncConnection

# About 20 MB; a larger cache is cleared.
MAX_PRODUCTS = 200_000
PRELOADED_PRODUCTS = 10_000


class ProductCache:
    """Caches products that were looked up."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self.tracked: dict[str, bool] = {}

    async def preload(self) -> None:
        """Load some products, so that the first orders need no query."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(QUERIES.first_products, {"limit": PRELOADED_PRODUCTS})
            self.tracked.update(await cursor.fetchall())

    async def load(self, lines: Collection[Line]) -> None:
        """Load the products of the lines, in one query, unless all are cached."""
        tracked = self.tracked
        if any(line.product_id not in tracked for line in lines):
            async with self._pool.connection() as connection:
                await self._fetch(connection, {line.product_id for line in lines})

    def with_needs(self, order: NewOrder) -> NewOrder:
        """Return an order whose products were loaded, with its needs.

        Raises InvalidRequest (UNKNOWN_PRODUCT) when an item names a product that does not exist.
        """
        tracked = self.tracked
        try:
            if any(tracked[line.product_id] for line in order.lines):
                return order._replace(needs=allocation.needs(order.lines, tracked))
        except KeyError:
            raise unknown_products(order.lines, tracked) from None
        return order

    async def needs(self, connection: AsyncConnection, lines: Sequence[Line]) -> Needs:
        """Return how many units the lines of a stored order need of each tracked product."""
        product_ids = {line.product_id for line in lines}
        if not product_ids <= self.tracked.keys():
            await self._fetch(connection, product_ids)
        return allocation.needs(lines, self.tracked)

    async def _fetch(self, connection: AsyncConnection, product_ids: Iterable[str]) -> None:
        cursor = await connection.execute(QUERIES.find_products, {"product_ids": list(product_ids)})
        rows = await cursor.fetchall()
        if len(self.tracked) + len(rows) > MAX_PRODUCTS:
            self.tracked.clear()
        self.tracked.update(rows)


def unknown_products(lines: Sequence[Line], known: Container[str]) -> InvalidRequest:
    """Return the error that names every product that does not exist."""
    violations = [
        Violation(f"items[{index}].product_id", f'no product "{line.product_id}"')
        for index, line in enumerate(lines)
        if line.product_id not in known
    ]
    return InvalidRequest(violations, ErrorReason.UNKNOWN_PRODUCT)
