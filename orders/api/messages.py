"""Builds the messages of the API from stored orders and products. Pure."""

from __future__ import annotations

from ordermesh.orders.v1.inventory_pb2 import Product
from ordermesh.orders.v1.orders_pb2 import Order, OrderItem, OrderSummary

from orders.domain.events import timestamp, write_time
from orders.domain.order import Accepted, NewOrder, StoredOrder, status_of
from orders.store.order_rows import OrderSummaryRow
from orders.store.product_rows import ProductRow
from runtime.money import major
from runtime.tokens import order_revision


def order_message(stored: StoredOrder) -> Order:
    """Return the message of a stored order."""
    return Order(
        order_id=stored.order_id,
        customer_id=stored.customer_id,
        status=stored.status,
        total_price=major(stored.total_minor),
        create_time=timestamp(stored.created_at_us),
        update_time=timestamp(stored.updated_at_us),
        items=[
            OrderItem(product_id=line.product_id, quantity=line.quantity, price=major(line.price_minor))
            for line in stored.lines
        ],
        revision=order_revision.encode(stored.order_id, stored.status, stored.updated_at_us),
    )


def summary_message(summary: OrderSummaryRow) -> OrderSummary:
    """Return the message of an order in a list of summaries."""
    message = OrderSummary(
        order_id=summary.order_id,
        customer_id=summary.customer_id,
        status=status_of(summary.status),
        total_price=major(summary.total_minor),
    )
    write_time(message.create_time, summary.created_at_us)
    return message


def accepted_message(order: NewOrder, accepted: Accepted) -> Order:
    """Return the message of an order that was just stored, without reading it back."""
    message = Order()
    message.order_id = accepted.order_id
    message.customer_id = order.customer_id
    message.status = accepted.status
    message.total_price = major(order.total_minor)
    write_time(message.create_time, accepted.created_at_us)
    write_time(message.update_time, accepted.created_at_us)
    message.revision = accepted_revision(accepted)
    add = message.items.add
    for product_id, quantity, price_minor in order.lines:
        item = add()
        item.product_id, item.quantity, item.price = product_id, quantity, major(price_minor)
    return message


def accepted_revision(accepted: Accepted) -> str:
    """Return the revision of an order that was just stored."""
    return order_revision.encode(accepted.order_id, accepted.status, accepted.created_at_us)


def write_accepted_summary(summary: OrderSummary, order: NewOrder, accepted: Accepted) -> None:
    """Fill in the summary of an order that was just stored. Building a message and copying it costs twice as much."""
    summary.order_id = accepted.order_id
    summary.customer_id = order.customer_id
    summary.status = accepted.status
    summary.total_price = major(order.total_minor)
    write_time(summary.create_time, accepted.created_at_us)


def product_message(row: ProductRow) -> Product:
    """Return the message of a product."""
    return Product(
        product_id=row.product_id,
        name=row.name,
        price=major(row.price_minor),
        tracked=row.tracked,
        stock=row.stock,
        awaited=row.awaited,
        create_time=timestamp(row.created_at_us),
    )
