"""Reads rows of orders."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ordermesh.orders.v1.errors_pb2 import ErrorReason

from orders.domain.order import Line, StoredOrder, status_of
from runtime.errors import NotFound
from runtime.postgres.connection_types import AsyncConnection

# One line in the text of an order_line[] value. Product ids never need quoting.
LINE = re.compile(r"\(([^,()]+),(\d+),(\d+)\)")

Row = tuple[Any, ...]


class OrderSummaryRow(NamedTuple):
    """A row of the list queries; `line_count` is 0 where it was not requested."""

    order_id: str
    customer_id: str
    status: str
    total_minor: int
    created_at_us: int
    line_count: int


def stored_order(row: Row) -> StoredOrder:
    """Return the order of a row of get_order, get_orders, lock_order or lock_backorders."""
    order_id, customer_id, status, sequence, total_minor, created_us, updated_us, lines = row
    return StoredOrder(
        order_id,
        customer_id,
        status_of(status),
        sequence,
        total_minor,
        created_us,
        updated_us,
        tuple(Line(product, int(quantity), int(price)) for product, quantity, price in LINE.findall(lines)),
    )


async def fetch_order(
    connection: AsyncConnection, query: Any, order_id: str, customer_id: str | None = None
) -> StoredOrder:
    """Return an order, by get_order or lock_order; by get_order only one of a customer, if given. Raises NotFound."""
    cursor = await connection.execute(query, {"order_id": order_id, "customer_id": customer_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(ErrorReason.ORDER_NOT_FOUND, f"no order {order_id}", metadata={"order_id": order_id})
    return stored_order(row)
