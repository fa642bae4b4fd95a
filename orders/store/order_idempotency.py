"""Replays of CreateOrder and BatchCreateOrders: the first results of idempotency keys, in the table order_request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from orders.domain.fingerprints import is_same_order
from orders.domain.order import Accepted, NewOrder, Outcome, status_of
from orders.store.queries import QUERIES
from orders.store.request_idempotency import request_id_reused
from runtime.errors import database_unavailable
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

# A customer id and a request_id.
OrderKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FirstResult:
    """The fingerprint of the first request with an idempotency key, and its result."""

    fingerprint: bytes
    accepted: Accepted


async def find_first_results(connection: AsyncConnection, orders: Sequence[NewOrder]) -> dict[OrderKey, FirstResult]:
    """Return the first results of those orders whose idempotency keys exist."""
    keyed = [order for order in orders if order.request_id]
    if not keyed:
        return {}
    cursor = await connection.execute(
        QUERIES.find_order_requests,
        {
            "customer_ids": arrays.quoted([order.customer_id for order in keyed]),
            "request_ids": arrays.quoted([order.request_id for order in keyed]),
        },
    )
    return {
        (customer_id, request_id): FirstResult(
            fingerprint, Accepted(order_id, status_of(status), created_at_us, replayed=True)
        )
        async for customer_id, request_id, fingerprint, order_id, status, created_at_us in cursor
    }


async def find_first_results_after_commit(
    connection: AsyncConnection, orders: Sequence[NewOrder]
) -> dict[OrderKey, FirstResult]:
    """Return the first results, none after a database error: committed orders of the batch must still be confirmed."""
    try:
        return await find_first_results(connection, orders)
    except psycopg.Error as error:
        logger().warning("idempotency key lookup failed: database error", error=error)
        return {}


def replay(order: NewOrder, first: FirstResult | None) -> Outcome:
    """Return the first result, REQUEST_ID_REUSED for other content, or DATABASE_UNAVAILABLE without a first result."""
    if first is None:
        return database_unavailable()
    if not is_same_order(first.fingerprint, order.fingerprint, order.lines):
        return request_id_reused(order.request_id)
    metrics.REQUESTS_REPLAYED.inc()
    return first.accepted
