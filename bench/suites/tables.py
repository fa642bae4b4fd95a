"""Cost of calls for growing tables of orders and products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import LiteralString, NamedTuple

import psycopg
from google.protobuf.message import Message
from ordermesh.orders.v1.inventory_pb2 import ListProductsRequest
from ordermesh.orders.v1.orders_pb2 import CreateOrderRequest, GetOrderRequest, ListOrdersRequest
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row

from bench.loads import h2load
from bench.loads.bodies import framed
from bench.loads.closed_model import GRPC_HEADERS, SERVICE, Load
from bench.subjects import accounting
from bench.subjects.pipeline import SQL, Subject, probes
from bench.suites.growth import Point
from stack.running_stack import running_stack

BATCH_ROWS = 500_000
CUSTOMERS = 100_000
CALLS = 6_000
PRODUCTS_IN_AN_ORDER = 100
INVENTORY = "/ordermesh.orders.v1.InventoryService"


class Table(NamedTuple):
    """The statements that add rows, count the added rows, and vacuum the table."""

    fill: LiteralString
    filled: LiteralString
    vacuum: LiteralString


ORDERS = Table(SQL.fill_orders, SQL.orders_filled, SQL.vacuum_orders)
PRODUCTS = Table(SQL.fill_products, SQL.products_filled, SQL.vacuum_products)


def curves(orders: Sequence[int], products: Sequence[int]) -> Iterator[Point]:
    """Yield the cost of each call for numbers of orders of 100,000 customers, then for numbers of products."""
    with running_stack() as running, probes(running) as subject_of:
        subject = subject_of("product", running.context.settings.front_port)
        with psycopg.connect(make_conninfo(running.context.admin_dsn, dbname="orders"), autocommit=True) as admin:
            for rows in orders:
                fill(admin, ORDERS, rows)
                yield from points(subject, rows, "orders", calls_on_orders(admin))
            for rows in products:
                fill(admin, PRODUCTS, rows)
                yield from points(subject, rows, "products", calls_on_products(rows))


def fill(admin: psycopg.Connection, table: Table, rows: int) -> None:
    """Add rows in batches up to a number, then vacuum and force a checkpoint."""
    present = admin.execute(table.filled).fetchone()
    for first in range(present[0] if present else 0, rows, BATCH_ROWS):
        last = min(first + BATCH_ROWS, rows) - 1
        admin.execute(table.fill, {"first": first, "last": last, "customers": CUSTOMERS})
    admin.execute(table.vacuum)
    admin.execute(SQL.checkpoint)


def calls_on_orders(admin: psycopg.Connection) -> dict[str, Load]:
    """Return the calls whose cost may depend on the number of orders."""
    order_id = admin.cursor(row_factory=scalar_row).execute(SQL.an_old_order).fetchone()
    return {
        "CreateOrder": call(f"{SERVICE}/CreateOrder", new_order(["p1", "p2"])),
        "GetOrder": call(f"{SERVICE}/GetOrder", GetOrderRequest(order_id=str(order_id))),
        "ListOrders, newest 50": call(f"{SERVICE}/ListOrders", ListOrdersRequest()),
        "ListOrders of a customer": call(f"{SERVICE}/ListOrders", ListOrdersRequest(customer_id="bulk-77")),
    }


def calls_on_products(rows: int) -> dict[str, Load]:
    """Return the calls whose cost may depend on the number of products."""
    spread = [f"bulk-{number}" for number in range(0, rows, rows // PRODUCTS_IN_AN_ORDER)][:PRODUCTS_IN_AN_ORDER]
    return {
        f"CreateOrder of {PRODUCTS_IN_AN_ORDER} products": call(f"{SERVICE}/CreateOrder", new_order(spread)),
        "ListProducts, first 50": call(f"{INVENTORY}/ListProducts", ListProductsRequest()),
    }


def new_order(product_ids: Sequence[str]) -> CreateOrderRequest:
    """Return an order of one unit of each product."""
    request = CreateOrderRequest(customer_id="bulk-77")
    for product_id in product_ids:
        request.items.add(product_id=product_id, quantity=1, price=10)
    return request


def call(path: str, request: Message) -> Load:
    """Return a gRPC load of one request."""
    body = framed(request.SerializeToString())
    return Load(path.rpartition("/")[2], path, lambda: body, GRPC_HEADERS, connections=4, streams=8)


def points(subject: Subject, rows: int, what: str, calls: dict[str, Load]) -> Iterator[Point]:
    """Yield the cost of each call, including the cost until new orders are counted."""
    for name, load in calls.items():
        many = CALLS // 8 if name.endswith("products") else CALLS
        h2load.run(subject.accepted(load), subject.port, many // 8)
        subject.drain(subject.stored())
        accounting.await_quiet(subject.roots)
        before = accounting.measure_cost(subject.roots)
        answers = h2load.run(subject.accepted(load), subject.port, many)
        subject.drain(subject.stored())
        spent = accounting.measure_cost(subject.roots).since(before)
        cpu = {group: round(us / many, 2) for group, us in spent.items()}
        yield Point(f"{what} in the table: {name}", rows, round(answers.calls / answers.seconds, 1), cpu)
