"""Inserts new orders with their idempotency keys, ORDER_CREATED events and audit entries, a batch in one statement."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import LiteralString, NamedTuple

import psycopg

from orders.domain import events
from orders.domain.clock import DatabaseClock
from orders.domain.events import OutboxEvent
from orders.domain.ids import uuid7
from orders.domain.order import Accepted, NewOrder, Outcome, Status
from orders.store.order_idempotency import find_first_results_after_commit, replay
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.transactions import execute
from runtime.status_names import STATUS_NAMES

# In the same statement. It is not in that of customers' orders, which would take a tenth longer with nothing to record.
INSERT_ON_RECORD = QUERIES.insert_orders.replace(
    "), counted AS (", "), recorded AS (\n" + QUERIES.record_orders + "\n), counted AS ("
)
# Of the few orders that have baggage.
BAGGAGE: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("traceparent, payload)\n    SELECT shard, 1,", "traceparent, payload, baggage)\n    SELECT shard, 1,"),
    (
        "traceparent, payload\n    FROM accepted",
        "traceparent, payload, %(baggage)s::jsonb ->> order_id::text\n    FROM accepted",
    ),
)


class PlannedOrder(NamedTuple):
    """A new order with its id, its first status and its first event."""

    order: NewOrder
    order_id: str
    status: Status
    created_us: int
    event: OutboxEvent


def plan_order(order: NewOrder, status: Status, created_us: int) -> PlannedOrder:
    """Assign an id, a status and a creation time to a new order, and build its first event."""
    order_id = uuid7(created_us)
    event = events.order_created(uuid7(created_us), order_id, order, status, created_us)
    return PlannedOrder(order, order_id, status, created_us, event)


async def insert_orders(
    connection: AsyncConnection, batch: Sequence[PlannedOrder], process: str, clock: DatabaseClock
) -> list[Outcome]:
    """Insert orders and return the outcome of each; an idempotency key that exists is answered by a replay.

    Counts the orders for `process`, and updates the clock from the reply. The statement commits unless a transaction is
    open. Raises psycopg.Error when nothing was stored, OutcomeUnknown when the outcome of the commit is unknown.
    """
    sent_at = time.monotonic()
    parameters, statement = order_parameters(batch, process), QUERIES.insert_orders
    if recorded := operators_of(batch):
        parameters["recorded"], statement = json.dumps(recorded), INSERT_ON_RECORD
    if baggage := {p.order_id: p.order.baggage for p in batch if p.order.baggage}:
        parameters["baggage"], statement = json.dumps(baggage), with_baggage(statement)
    cursor = await execute(connection, statement, parameters)
    row = await cursor.fetchone()
    if row is None:
        raise psycopg.DataError("insert_orders returned no row")
    clock.learn(row[0], sent_at, time.monotonic())
    return await outcomes(connection, batch, set(row[1]))


def with_baggage(statement: LiteralString) -> LiteralString:
    """Return the statement with the baggage of some orders."""
    for part, replacement in BAGGAGE:
        statement = statement.replace(part, replacement)
    return statement


def order_parameters(batch: Sequence[PlannedOrder], process: str) -> dict[str, object]:
    """Return the parameters of insert_orders."""
    return {
        "process": process,
        "order_ids": arrays.plain([p.order_id for p in batch]),
        "customer_ids": arrays.quoted([p.order.customer_id for p in batch]),
        "statuses": arrays.plain([STATUS_NAMES[p.status] for p in batch]),
        "total_minors": arrays.plain([p.order.total_minor for p in batch]),
        "units": arrays.plain([p.order.units for p in batch]),
        "created_us": arrays.plain([p.created_us for p in batch]),
        "lines": arrays.quoted([events.line_text(p.order.lines) for p in batch]),
        "request_ids": arrays.quoted([p.order.request_id for p in batch]),
        "fingerprints": arrays.binary([p.order.fingerprint for p in batch]),
        "shards": arrays.plain([p.event.shard for p in batch]),
        "event_ids": arrays.plain([p.event.event_id for p in batch]),
        "traceparents": arrays.plain([p.order.traceparent for p in batch]),
        "payloads": arrays.binary([p.event.payload for p in batch]),
    }


def operators_of(batch: Sequence[PlannedOrder]) -> list[dict[str, str]]:
    """Return who places those orders that operators place."""
    return [{"order_id": p.order_id, **asdict(p.order.operator)} for p in batch if p.order.operator is not None]


async def outcomes(
    connection: AsyncConnection, batch: Sequence[PlannedOrder], replayed_ids: Collection[str]
) -> list[Outcome]:
    """Return the outcome of each order; those with `replayed_ids` were not inserted, their idempotency keys exist."""
    if not replayed_ids:
        return [Accepted(p.order_id, p.status, p.created_us) for p in batch]
    first = await find_first_results_after_commit(connection, [p.order for p in batch if p.order_id in replayed_ids])
    return [
        replay(p.order, first.get((p.order.customer_id, p.order.request_id)))
        if p.order_id in replayed_ids
        else Accepted(p.order_id, p.status, p.created_us)
        for p in batch
    ]
