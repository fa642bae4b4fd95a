"""Serves OrderLedgerService: sums and ids of events and orders, for reconciliation and status."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2, ledger_pb2_grpc
from psycopg_pool import AsyncConnectionPool

from orders.domain import ids
from orders.domain.events import timestamp
from orders.ledger.audit import OrderAudit
from orders.store.order_rows import Row
from orders.store.queries import LEDGER
from runtime import ledger_messages
from runtime.batched import batched
from runtime.postgres.connection_types import AsyncConnection

Context = grpc.aio.ServicerContext[Any, Any]
PENDING_LIMIT = 100_000
EVER_PENDING = {"limit": PENDING_LIMIT, "end": ledger_messages.END_SECONDS}
# A minute is closed this long after its end: the transactions of its events have ended, and its events are counted.
CLOSED_AFTER_SECONDS = 10
IDS_PER_MESSAGE = 50_000
PRODUCTS_PER_MESSAGE = 5_000
# Sums of millions of events take longer than other statements may.
LEDGER_TIMEOUT = "SET LOCAL statement_timeout = '120s'"


class OrderLedgerService(ledger_pb2_grpc.OrderLedgerServiceServicer):
    """The methods of OrderLedgerService. Only the gateway calls them."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool

    async def GetOrderProgress(
        self, request: ledger_pb2.GetOrderProgressRequest, context: Context
    ) -> ledger_pb2.GetOrderProgressResponse:
        """Return the progress of storing and publishing."""
        async with self._pool.connection() as connection:
            (orders, published, p50_ms, p99_ms, seen_us) = await fetch_one(connection, LEDGER.order_progress)
            pending, oldest_seconds = await fetch_one(connection, LEDGER.pending_events, EVER_PENDING)
            dead = await (await connection.execute(LEDGER.dead_events)).fetchone()
            (backorders,) = await fetch_one(connection, LEDGER.count_backorders, {"limit": PENDING_LIMIT})
        return ledger_pb2.GetOrderProgressResponse(
            orders_total=orders,
            published_total=published,
            pending=pending,
            dead=dead[1] if dead else 0,
            oldest_pending_seconds=max(0.0, oldest_seconds),
            publish_p50_ms=p50_ms,
            publish_p99_ms=p99_ms,
            publisher_heartbeat_time=timestamp(seen_us) if seen_us else None,
            backorders=backorders,
        )

    async def StreamOrderLedger(
        self, request: ledger_pb2.StreamOrderLedgerRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamOrderLedgerResponse]:
        """Stream sums of the published events and of the orders by period, from one snapshot."""
        parameters = ledger_messages.period_parameters(request)
        async with self._snapshot() as connection:
            if request.closed_minutes:
                (parameters["end"],) = await fetch_one(
                    connection, LEDGER.closed_minutes_end, {"seconds": CLOSED_AFTER_SECONDS}
                )
            pending, _ = await fetch_one(
                connection, LEDGER.pending_events, {"limit": PENDING_LIMIT, "end": parameters["end"]}
            )
            dead = await (await connection.execute(LEDGER.dead_events)).fetchall()
            (discarded,) = await fetch_one(connection, LEDGER.discarded_events)
            coverage_start, ids_start = await fetch_one(connection, LEDGER.coverage)
            minutes = await fetch_all(connection, LEDGER.pending_minutes)
            event_rows = await fetch_all(connection, LEDGER.event_sums, parameters)
            order_rows = await fetch_all(connection, LEDGER.order_sums, parameters)
        yield ledger_pb2.StreamOrderLedgerResponse(
            pending=pending,
            dead_ids=[row[0] for row in dead],
            dead=dead[0][1] if dead else 0,
            discarded=discarded,
            coverage_start_time=ledger_messages.as_time(coverage_start),
            ids_start_time=ledger_messages.as_time(ids_start),
            pending_start_time=[Timestamp(seconds=minute) for (minute,) in minutes],
            end_time=Timestamp(seconds=parameters["end"]) if request.closed_minutes else None,
        )
        for events in batched(ledger_messages.event_sums(event_rows), ledger_messages.SUMS_PER_MESSAGE):
            yield ledger_pb2.StreamOrderLedgerResponse(events=events)
        for orders in batched(ledger_messages.order_sums(order_rows), ledger_messages.SUMS_PER_MESSAGE):
            yield ledger_pb2.StreamOrderLedgerResponse(orders=orders)

    async def StreamPublishedIds(
        self, request: ledger_pb2.StreamPublishedIdsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamPublishedIdsResponse]:
        """Stream the ids of the published events of a minute."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(LEDGER.published_event_ids, {"minute": request.minute_start_time.seconds})
            rows = await cursor.fetchall()
        for some in batched((row[0].bytes for row in rows), IDS_PER_MESSAGE):
            yield ledger_pb2.StreamPublishedIdsResponse(event_ids=b"".join(some))

    async def FindEvents(
        self, request: ledger_pb2.FindEventsRequest, context: Context
    ) -> ledger_pb2.FindEventsResponse:
        """Return which of the events are in the outbox, in any status."""
        wanted = unpacked(request.event_ids)
        times_ms = [ids.time_ms(event_id) for event_id in wanted] or [0]
        parameters = {"event_ids": wanted, "first_ms": min(times_ms), "last_ms": max(times_ms)}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(LEDGER.find_events, parameters)).fetchall()
        return ledger_pb2.FindEventsResponse(event_ids=b"".join(row[0].bytes for row in rows))

    async def StreamOrderAudit(
        self, request: ledger_pb2.StreamOrderAuditRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamOrderAuditResponse]:
        """Recompute the ledgers from the rows, and stream what differs."""
        async with self._pool.connection() as connection:
            coverage = await fetch_one(connection, LEDGER.coverage)
        async for day in OrderAudit(self._pool).days(max(coverage)):
            yield ledger_pb2.StreamOrderAuditResponse(day=day)

    async def StreamOrderStates(
        self, request: ledger_pb2.StreamOrderStatesRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamOrderStatesResponse]:
        """Stream the orders that were accepted in a minute."""
        parameters = ledger_messages.minute_ids(request.minute_start_time)
        async with self._snapshot() as connection:
            rows = await fetch_all(connection, LEDGER.order_states, parameters)
        for orders in batched(ledger_messages.order_states(rows), ledger_messages.STATES_PER_MESSAGE):
            yield ledger_pb2.StreamOrderStatesResponse(orders=orders)

    async def StreamProductSums(
        self, request: ledger_pb2.StreamProductSumsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamProductSumsResponse]:
        """Stream units and revenue by product."""
        async with self._snapshot() as connection:
            rows = await fetch_all(
                connection, LEDGER.product_sums, {"order_ids": unpacked(request.uncounted_order_ids)}
            )
        for some in batched(rows, PRODUCTS_PER_MESSAGE):
            yield ledger_pb2.StreamProductSumsResponse(
                products=[
                    ledger_pb2.ProductSum(
                        product_id=product_id,
                        units=units,
                        revenue_minor=revenue_minor,
                        uncounted_units=uncounted_units,
                        uncounted_revenue_minor=uncounted_revenue_minor,
                    )
                    for product_id, units, revenue_minor, uncounted_units, uncounted_revenue_minor in some
                ]
            )

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction whose statements all read from one snapshot."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute(LEDGER_TIMEOUT)
            yield connection


def unpacked(packed: bytes) -> list[uuid.UUID]:
    """Return the ids of a field in which they are concatenated."""
    return [uuid.UUID(bytes=packed[at : at + 16]) for at in range(0, len(packed), 16)]


async def fetch_one(connection: AsyncConnection, query: Any, parameters: dict[str, Any] | None = None) -> Row:
    """Return the row of a query that always returns one."""
    row = await (await connection.execute(query, parameters)).fetchone()
    if row is None:
        raise psycopg.DataError("the query returned no row")
    return tuple(row)


async def fetch_all(connection: AsyncConnection, query: Any, parameters: dict[str, Any] | None = None) -> list[Row]:
    """Return all rows of a query."""
    return await (await connection.execute(query, parameters)).fetchall()
