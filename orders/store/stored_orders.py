"""Reads stored orders and products, and turns them into messages."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ordermesh.orders.v1.inventory_pb2 import Product
from ordermesh.orders.v1.orders_pb2 import Order, OrderItem, OrderSummary

from orders.domain.events import timestamp, write_time
from orders.domain.order import Accepted, Line, NewOrder, StoredOrder, major, status_of

Row = tuple[Any, ...]
# One line in the text of an order_line[] value; product ids never need quoting.
LINE = re.compile(r"\(([^,()]+),(\d+),(\d+)\)")


class Summary(NamedTuple):
    """A row of the lists; `line_count` is 0 where it was not asked for."""

    order_id: str
    customer_id: str
    status: str
    total_minor: int
    created_at_us: int
    line_count: int


def from_row(row: Row) -> StoredOrder:
    """Read the columns that get_order and the lists return."""
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


def order_message(stored: StoredOrder) -> Order:
    """Return a stored order as clients see it."""
    return Order(
        order_id=stored.order_id,
        customer_id=stored.customer_id,
        status=stored.status,
        total_price=major(stored.total_minor),
        created_at=timestamp(stored.created_at_us),
        updated_at=timestamp(stored.updated_at_us),
        items=[
            OrderItem(product_id=line.product_id, quantity=line.quantity, price=major(line.price_minor))
            for line in stored.lines
        ],
    )


def summary_message(summary: Summary) -> OrderSummary:
    """Return the five fields that lists show."""
    message = OrderSummary(
        order_id=summary.order_id,
        customer_id=summary.customer_id,
        status=status_of(summary.status),
        total_price=major(summary.total_minor),
    )
    write_time(message.created_at, summary.created_at_us)
    return message


def accepted_message(order: NewOrder, accepted: Accepted) -> Order:
    """Return an order that was just accepted, made of what was stored."""
    message = Order()
    message.order_id = accepted.order_id
    message.customer_id = order.customer_id
    message.status = accepted.status
    message.total_price = major(order.total_minor)
    write_time(message.created_at, accepted.created_at_us)
    write_time(message.updated_at, accepted.created_at_us)
    add = message.items.add
    for product_id, quantity, price_minor in order.lines:
        item = add()
        item.product_id, item.quantity, item.price = product_id, quantity, major(price_minor)
    return message


def write_accepted_summary(summary: OrderSummary, order: NewOrder, accepted: Accepted) -> None:
    """Fill in the summary of an order that was just accepted; made elsewhere and copied it would cost twice as much."""
    summary.order_id = accepted.order_id
    summary.customer_id = order.customer_id
    summary.status = accepted.status
    summary.total_price = major(order.total_minor)
    write_time(summary.created_at, accepted.created_at_us)


def product_message(row: Row) -> Product:
    """Return a product as clients see it."""
    product_id, name, price_minor, tracked, stock, awaited, created_us = row
    return Product(
        product_id=product_id,
        name=name,
        price=major(price_minor),
        tracked=tracked,
        stock=stock,
        awaited=awaited,
        created_at=timestamp(created_us),
    )
