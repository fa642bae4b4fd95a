"""Recomputes the ledgers of the orders database from its rows: each hour in a transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from ordermesh.internal.v1.ledger_pb2 import AuditedDay, LedgerDifference
from psycopg_pool import AsyncConnectionPool

from runtime.ledger_audit import HOUR_SECONDS, Day, Parameters, first_id, last_id, numbered
from runtime.ledger_messages import END_SECONDS, Row
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.queries import Queries

SQL = Queries("orders.ledger", "audit.sql")
# An hour of tens of millions of orders takes longer than other statements may.
TIMEOUT = "SET LOCAL statement_timeout = '300s'"


class OrderAudit:
    """One audit. Its memory depends on the number of products, not on that of orders."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self._units: Counter[str] = Counter()
        self._revenue_minor: Counter[str] = Counter()

    async def days(self, events_since: int) -> AsyncIterator[AuditedDay]:
        """Yield each day with what differs, of events only from a time on; the last message is that of products."""
        async with self._snapshot() as connection:
            days = numbered(await fetch_all(connection, SQL.held_days))
            ((now,),) = await fetch_all(connection, SQL.now)
        # No order is accepted any more before it: the products of all later ones are summed up in one snapshot.
        closed = now - now % HOUR_SECONDS - HOUR_SECONDS
        for day in days:
            for hour in day.hours():
                await self._compare(day, hour, events=day.start >= events_since, products=hour["end"] <= closed)
            async with self._snapshot() as connection:
                day.note_day(await fetch_all(connection, SQL.day_sums, {"day": day.start}))
            yield day.message()
        yield await self._products(Day(now, len(days), len(days)), closed)

    async def _compare(self, day: Day, hour: Parameters, *, events: bool, products: bool) -> None:
        async with self._snapshot() as connection:
            if events:
                day.note(LedgerDifference.EVENTS, await fetch_all(connection, SQL.event_minutes, hour))
            day.note(LedgerDifference.ORDERS, await fetch_all(connection, SQL.order_minutes, hour))
            if products:
                self._add(await fetch_all(connection, SQL.sold_products, hour))

    async def _products(self, last: Day, closed: int) -> AuditedDay:
        """Compare the sums of products with their ledger, both from one snapshot."""
        async with self._snapshot() as connection:
            ids = {"first_id": first_id(closed), "last_id": last_id(END_SECONDS)}
            self._add(await fetch_all(connection, SQL.sold_products, ids))
            kept = {product: sums for product, *sums in await fetch_all(connection, SQL.product_ledger)}
        for product in sorted({*kept, *self._units}):
            units, revenue_minor = kept.get(product, (0, 0))
            if (self._units[product], self._revenue_minor[product]) != (units, revenue_minor):
                difference = LedgerDifference(ledger=LedgerDifference.PRODUCTS, product_id=product)
                last.add(difference, self._units[product], units)
        return last.message()

    def _add(self, sold: Iterable[Row]) -> None:
        for product, units, revenue_minor in sold:
            self._units[product] += units
            self._revenue_minor[product] += revenue_minor

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction whose statements all read from one snapshot."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute(TIMEOUT)
            yield connection


async def fetch_all(connection: AsyncConnection, query: Any, parameters: Parameters | None = None) -> list[Row]:
    """Return all rows of a query."""
    return await (await connection.execute(query, parameters)).fetchall()
