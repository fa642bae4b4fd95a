"""Serves OrderLedgerService: counts and sums of stored and published events, for reconciliation and status."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import groupby
from typing import Any

import grpc
import psycopg
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1 import ledger_pb2, ledger_pb2_grpc
from psycopg_pool import AsyncConnectionPool

from orders.domain import ids
from orders.domain.events import timestamp
from orders.store.order_rows import Row
from orders.store.queries import LEDGER
from runtime.batched import batched
from runtime.postgres.connection_types import AsyncConnection

Context = grpc.aio.ServicerContext[Any, Any]
PENDING_LIMIT = 100_000
MINUTES_PER_MESSAGE = 500
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
            pending, oldest_seconds = await fetch_one(connection, LEDGER.pending_events, {"limit": PENDING_LIMIT})
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
        """Stream sums of the published events by minute, from one snapshot."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute(LEDGER_TIMEOUT)
            pending, _ = await fetch_one(connection, LEDGER.pending_events, {"limit": PENDING_LIMIT})
            dead = await (await connection.execute(LEDGER.dead_events)).fetchall()
            (since,) = await fetch_one(connection, LEDGER.complete_since)
            rows = await (await connection.execute(LEDGER.sums_by_minute)).fetchall()
        yield ledger_pb2.StreamOrderLedgerResponse(
            pending=pending,
            dead_ids=[row[0] for row in dead],
            dead=dead[0][1] if dead else 0,
            coverage_start_time=Timestamp(seconds=since) if since else None,
        )
        for minutes in batched(minute_sums(rows), MINUTES_PER_MESSAGE):
            yield ledger_pb2.StreamOrderLedgerResponse(minutes=minutes)

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
        packed = request.event_ids
        wanted = [uuid.UUID(bytes=packed[at : at + 16]) for at in range(0, len(packed), 16)]
        times_ms = [ids.time_ms(event_id) for event_id in wanted] or [0]
        parameters = {"event_ids": wanted, "first_ms": min(times_ms), "last_ms": max(times_ms)}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(LEDGER.find_events, parameters)).fetchall()
        return ledger_pb2.FindEventsResponse(event_ids=b"".join(row[0].bytes for row in rows))

    async def StreamProductSums(
        self, request: ledger_pb2.StreamProductSumsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.StreamProductSumsResponse]:
        """Stream units and revenue by product."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(LEDGER_TIMEOUT)
            rows = await (await connection.execute(LEDGER.sums_by_product)).fetchall()
        for some in batched(rows, PRODUCTS_PER_MESSAGE):
            yield ledger_pb2.StreamProductSumsResponse(
                products=[ledger_pb2.ProductSum(product_id=p, units=u, revenue_minor=r) for p, u, r in some]
            )


async def fetch_one(connection: AsyncConnection, query: Any, parameters: dict[str, Any] | None = None) -> Row:
    """Return the row of a query that always returns one."""
    row = await (await connection.execute(query, parameters)).fetchone()
    if row is None:
        raise psycopg.DataError("the query returned no row")
    return tuple(row)


def minute_sums(rows: Iterable[Row]) -> Iterator[ledger_pb2.MinuteSum]:
    """Merge the rows of sums_by_minute, one per minute and event type, into one message per minute."""
    for minute, group in groupby(rows, key=lambda row: row[0]):
        total = ledger_pb2.MinuteSum(start_time=Timestamp(seconds=minute))
        digest = 0
        for _, event_type, events, revenue_minor, units, type_digest in group:
            total.types.add(type=event_type, events=events)
            total.revenue_minor += revenue_minor or 0
            total.units += units
            digest ^= type_digest
        total.digest = digest
        yield total
