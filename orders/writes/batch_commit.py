"""Stores the orders of a batch: one transaction for untracked products, one for tracked products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from orders.domain.clock import DatabaseClock
from orders.domain.order import CREATED, NewOrder, Outcome
from orders.stock.tracked_orders import ConcurrentIdempotencyKey, store_tracked_orders
from orders.store.insert_orders import insert_orders, plan_order
from orders.writes.writer_connection import WriterConnection
from runtime.errors import OutcomeUnknown, Overloaded, ServiceError, database_unavailable
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.sqlstates import ClientError, Retry, classify
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

MAX_TRIES = 5


@dataclass(slots=True)
class Entry:
    """An order of a batch, and its outcome once it has one."""

    order: NewOrder
    outcome: Outcome | None = None


class BatchStore:
    """Stores entries and sets their outcomes: retries after conflicts, isolates orders that the database refuses."""

    def __init__(self, connection: WriterConnection, clock: DatabaseClock, process: str) -> None:
        self._connection = connection
        self._clock = clock
        self._process = process
        self._outage = Outage("storing orders")

    async def store(self, entries: Sequence[Entry], *, tracked: bool) -> None:
        """Store entries in one transaction and set the outcome of each.

        When the database refuses a row, the entries are bisected, so that only that order fails. Raises psycopg.Error
        for errors that are not the order's, the connection's or another transaction's.
        """
        try:
            outcomes = await self._try(entries, tracked=tracked)
        except psycopg.Error as error:
            if not classify(error).rejects_row:
                raise
            if len(entries) == 1:
                logger().error("order could not be stored: the database refused it", error=error)
                fail(entries)
                return
            middle = len(entries) // 2
            await self.store(entries[:middle], tracked=tracked)
            await self.store(entries[middle:], tracked=tracked)
            return
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.outcome = outcome

    async def _try(self, entries: Sequence[Entry], *, tracked: bool) -> list[Outcome]:
        """Store entries in one transaction, again after a conflict; a lost connection is the outcome of all of them."""
        conflict: Exception | None = None
        store = self._store_tracked if tracked else self.store_untracked
        for _ in range(MAX_TRIES):
            try:
                connection = await self._connection.get()
                outcomes = await store(connection, entries)
            except ConcurrentIdempotencyKey as error:
                conflict = error
                continue
            except OutcomeUnknown as unknown:
                self._outage.begins(unknown.__cause__ or unknown)
                return [unknown] * len(entries)
            except psycopg.Error as error:
                found = classify(error)
                if found.retry is Retry.IMMEDIATELY:
                    conflict = error
                    continue
                if found.client_error is ClientError.INTERNAL:
                    raise
                if found.client_error is ClientError.OVERLOADED:
                    conflict = error
                    break
                self._outage.begins(error)
                return [database_unavailable()] * len(entries)
            self._outage.ends()
            return outcomes
        logger().warning("orders refused: conflict with other transactions", orders=len(entries), error=conflict)
        return [Overloaded()] * len(entries)

    async def store_untracked(self, connection: AsyncConnection, entries: Sequence[Entry]) -> list[Outcome]:
        """Store orders of untracked products, in one statement."""
        now_us = self._clock.now_us(len(entries))
        batch = [plan_order(entry.order, CREATED, now_us + n) for n, entry in enumerate(entries)]
        return await insert_orders(connection, batch, self._process, self._clock)

    async def _store_tracked(self, connection: AsyncConnection, entries: Sequence[Entry]) -> list[Outcome]:
        return await store_tracked_orders(connection, [entry.order for entry in entries], self._clock, self._process)


def fail(entries: Sequence[Entry]) -> None:
    """Set INTERNAL_FAULT as the outcome of the entries that have none."""
    for entry in entries:
        entry.outcome = entry.outcome or ServiceError(ErrorReason.INTERNAL_FAULT, "the order could not be stored")
