"""What the oracle judges by: rows of both databases and the log, read when nothing is in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from faults.oracle.log_reader import Record
from runtime.postgres.queries import Queries

SQL = Queries("faults.oracle", "evidence.sql")


@dataclass(frozen=True)
class OrderRow:
    """A stored order; the lines are (product, units, price in minor units)."""

    order_id: str
    customer_id: str
    status: str
    sequence: int
    total_minor: int
    lines: Sequence[tuple[str, int, int]]


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a platform, besides what its clients were told."""

    orders: Mapping[str, OrderRow]
    # Order ids by idempotency key, and (method, scope) of the keys of other calls.
    order_requests: Mapping[str, Sequence[str]]
    change_requests: Mapping[str, tuple[str, str]]
    # Stock and units held by product.
    stock: Mapping[str, tuple[int, int]]
    outbox: Mapping[str, int]
    # (event id, order id, type).
    counted: Sequence[tuple[str, str, int]]
    metrics: Mapping[tuple[str, str], int]
    dead_letters: Mapping[tuple[str, str], int]
    log: Sequence[Record]


def gather(orders_dsn: str, analytics_dsn: str, log: Sequence[Record]) -> Evidence:
    """Read both databases, each in one snapshot. Raises psycopg.Error."""
    with snapshot(orders_dsn) as orders, snapshot(analytics_dsn) as analytics:
        requests: dict[str, list[str]] = {}
        for request_id, order_id in rows(orders, SQL.order_requests):
            requests.setdefault(request_id, []).append(order_id)
        return Evidence(
            {row[0]: order_row(row) for row in rows(orders, SQL.orders)},
            requests,
            {request_id: (method, scope) for method, scope, request_id in rows(orders, SQL.change_requests)},
            {product_id: (stock, held) for product_id, stock, held in rows(orders, SQL.stock)},
            dict(rows(orders, SQL.outbox)),
            rows(analytics, SQL.counted),
            {(name, dimension): value for name, dimension, value in rows(analytics, SQL.metrics)},
            {(topic, reason): count for topic, reason, count in rows(analytics, SQL.dead_letters)},
            log,
        )


def snapshot(dsn: str) -> psycopg.Connection[Any]:
    """Return a connection whose transaction reads one snapshot."""
    connection = psycopg.connect(dsn)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def rows(connection: psycopg.Connection[Any], query: LiteralString) -> list[Any]:
    """Return the rows of a query."""
    return connection.execute(query).fetchall()


def order_row(row: Sequence[Any]) -> OrderRow:
    """Return the row of an order."""
    lines = [(line["product_id"], line["quantity"], line["price_minor"]) for line in row[5]]
    return OrderRow(row[0], row[1], row[2], row[3], row[4], lines)
