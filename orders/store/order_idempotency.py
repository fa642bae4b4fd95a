"""What becomes of orders whose request_id was used before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from orders.domain.fingerprints import is_same_order
from orders.domain.order import Accepted, NewOrder, status_of
from orders.store.insert_orders import PlannedOrder
from orders.store.queries import QUERIES
from runtime.errors import AlreadyExists, ServiceError, database_unavailable
from runtime.postgres import arrays
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

Outcome = Accepted | ServiceError
RequestKey = tuple[str, str]
# What the headers of a repeated answer add.
REPLAYED = (("idempotent-replayed", "true"),)


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the first call with a request_id asked for, as a fingerprint, and was told."""

    fingerprint: bytes
    answer: Accepted


async def first_answers(
    connection: psycopg.AsyncConnection[Any], orders: Sequence[NewOrder]
) -> dict[RequestKey, FirstAnswer]:
    """Return the first answers to those of the orders whose request_id was used before."""
    asked = [order for order in orders if order.request_id]
    if not asked:
        return {}
    cursor = await connection.execute(
        QUERIES.find_requests,
        {
            "customer_ids": arrays.quoted([order.customer_id for order in asked]),
            "request_ids": arrays.quoted([order.request_id for order in asked]),
        },
    )
    return {
        (customer_id, request_id): FirstAnswer(
            fingerprint, Accepted(order_id, status_of(status), created_at_us, replayed=True)
        )
        async for customer_id, request_id, fingerprint, order_id, status, created_at_us in cursor
    }


async def answers_after_commit(
    connection: psycopg.AsyncConnection[Any], orders: Sequence[NewOrder]
) -> dict[RequestKey, FirstAnswer]:
    """Return the first answers, none when the database goes away: what is stored by now must be told as stored."""
    try:
        return await first_answers(connection, orders)
    except psycopg.Error as error:
        logger().warning("first answers could not be looked up", error=str(error).strip())
        return {}


def replay(order: NewOrder, first: FirstAnswer | None) -> Outcome:
    """Return the first answer, or say that the content differs; what vanished meanwhile is to be tried again."""
    if first is None:
        return database_unavailable()
    if not is_same_order(first.fingerprint, order.fingerprint, order.lines):
        return reused(order.request_id)
    metrics.REQUESTS_REPLAYED.inc()
    return first.answer


def reused(request_id: str) -> AlreadyExists:
    """Return the error for a request_id that was used with other content."""
    return AlreadyExists(
        ErrorReason.REQUEST_ID_REUSED,
        f'request_id "{request_id}" was used with other content',
        metadata={"request_id": request_id},
    )


async def settle_replays(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[PlannedOrder], replayed_ids: set[str]
) -> list[Outcome]:
    """Return the outcome of each order of a batch that was stored, given the ids that were left out."""
    if not replayed_ids:
        return [Accepted(p.order_id, p.status, p.created_us) for p in batch]
    answers = await answers_after_commit(connection, [p.order for p in batch if p.order_id in replayed_ids])
    return [
        replay(p.order, answers.get((p.order.customer_id, p.order.request_id)))
        if p.order_id in replayed_ids
        else Accepted(p.order_id, p.status, p.created_us)
        for p in batch
    ]
