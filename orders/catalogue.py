"""What a process knows of the catalogue: which products exist and whether they track stock. Neither ever changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from psycopg_pool import AsyncConnectionPool

from orders import plan
from orders.model import Line, NewOrder
from orders.sql import QUERIES
from runtime.errors import InvalidRequest, Violation

# About 20 MB; beyond it the memory is cleared and learns anew.
MAX_REMEMBERED = 200_000


class Catalogue:
    """Remembers products that were looked up."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool
        self.tracked: dict[str, bool] = {}

    async def check(self, order: NewOrder) -> None:
        """Raise InvalidRequest (UNKNOWN_PRODUCT) when an item names a product that does not exist."""
        tracked = self.tracked
        await self._know(order.lines)
        unknown = [
            Violation(f"items[{index}].product_id", f'no product "{line.product_id}"')
            for index, line in enumerate(order.lines)
            if line.product_id not in tracked
        ]
        if unknown:
            raise InvalidRequest(unknown, ErrorReason.UNKNOWN_PRODUCT)

    async def needs(self, lines: Sequence[Line]) -> dict[str, int]:
        """Return how much the lines of a stored order need of each tracked product."""
        await self._know(lines)
        return plan.needs(lines, self.tracked)

    async def _know(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.product_id not in self.tracked:
                await self._learn({line.product_id for line in lines})
                return

    async def _learn(self, product_ids: Iterable[str]) -> None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(QUERIES.known_products, {"product_ids": list(product_ids)})
            rows = await cursor.fetchall()
        if len(self.tracked) + len(rows) > MAX_REMEMBERED:
            self.tracked.clear()
        self.tracked.update(rows)
