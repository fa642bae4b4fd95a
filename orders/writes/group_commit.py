"""Group commit: one writer per process takes the orders that are there and stores them in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain.clock import DatabaseClock
from orders.domain.ids import uuid7
from orders.domain.order import CREATED, Accepted, NewOrder
from orders.outbox.notifier import Doorbell
from orders.stock.tracked_orders import NotFresh, store_tracked
from orders.store import insert_orders
from orders.store.insert_orders import PlannedOrder
from orders.store.order_idempotency import Outcome, settle_replays
from orders.store.queries import QUERIES
from orders.writes.commit_delay import Gathering
from runtime.errors import Expired, OutcomeUnknown, Overloaded, ServiceError, database_unavailable
from runtime.postgres.connections import connect_async
from runtime.postgres.pooler import Pooler
from runtime.postgres.sqlstates import Retry, Told, meaning
from runtime.postgres.transactions import execute
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

MAX_BATCH_ORDERS = 1000
MAX_TRIES = 5
IDLE_SECONDS = 1.0
# The first reply of a connection is slow, and says little about the database's time.
FIRST_TIMES = 3

Connection = psycopg.AsyncConnection[Any]


@dataclass(slots=True)
class Ticket:
    """Orders of one call and where their outcomes go, in the same order."""

    orders: Sequence[NewOrder]
    future: asyncio.Future[list[Outcome]]


@dataclass(slots=True)
class Entry:
    """One order in a batch, and its outcome once there is one."""

    order: NewOrder
    outcome: Outcome | None = None


class Writer:
    """Stores orders. `submit` may be called by any number of handlers; `run` is the one writer."""

    def __init__(
        self, dsn: str, process: str, clock: DatabaseClock, doorbell: Doorbell, pooler: Pooler = "none"
    ) -> None:
        self._dsn = dsn
        self._pooler = pooler
        self._process = process
        self._clock = clock
        self._doorbell = doorbell
        self._queue: asyncio.Queue[Ticket] = asyncio.Queue()
        self._connection: Connection | None = None
        self._used_at = 0.0
        self._gathering = Gathering()
        self._outage = Outage("storing orders")
        self._ended = False

    async def submit(self, orders: Sequence[NewOrder]) -> list[Outcome]:
        """Return what became of each order; a caller that goes away before the write drops its orders."""
        if self._ended:
            raise database_unavailable()
        ticket = Ticket(orders, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(ticket)
        return await ticket.future

    async def run(self) -> None:
        """Write batch after batch until cancelled; when this ends, for whatever reason, no call is left waiting."""
        tickets: list[Ticket] = []
        try:
            while True:
                tickets = await self._take()
                await self._write(tickets)
        finally:
            self._ended = True
            give_up(tickets, OutcomeUnknown())
            give_up([self._queue.get_nowait() for _ in range(self._queue.qsize())], database_unavailable())

    async def _write(self, tickets: Sequence[Ticket]) -> None:
        """Write a batch and answer its calls."""
        entries = [Entry(order) for ticket in tickets for order in ticket.orders]
        started = time.perf_counter()
        try:
            await self._settle(entries)
        except Exception as error:
            # The one writer must outlive whatever befalls a batch, or every later order would wait for ever.
            logger().error("a batch could not be stored", exc_info=error)
            fail(entries)
        metrics.GROUP_COMMIT_DURATION.observe(time.perf_counter() - started)
        metrics.GROUP_COMMIT_ORDERS.observe(len(entries))
        answer(tickets, entries)
        await self._gather(len(entries))

    async def _gather(self, stored: int) -> None:
        """Let more orders come after a small transaction, where that pays."""
        waiting = self._queue.qsize()
        if seconds := self._gathering.rest_seconds(stored, waiting):
            await asyncio.sleep(seconds)
            self._gathering.learn(self._queue.qsize() - waiting)

    async def _take(self) -> list[Ticket]:
        """Wait for a ticket and take what else is there, without waiting for more."""
        tickets: list[Ticket] = []
        while not tickets:
            ticket = await self._queue.get()
            count = 0
            while True:
                if not ticket.future.cancelled():
                    tickets.append(ticket)
                    count += len(ticket.orders)
                if count >= MAX_BATCH_ORDERS or self._queue.empty():
                    break
                ticket = self._queue.get_nowait()
        return tickets

    async def _settle(self, entries: list[Entry]) -> None:
        """Give every entry its outcome."""
        now = time.monotonic()
        for entry in entries:
            if entry.order.deadline is not None and entry.order.deadline <= now:
                entry.outcome = Expired()
        living = [entry for entry in entries if entry.outcome is None]
        untracked = [entry for entry in living if not entry.order.needs]
        tracked = [entry for entry in living if entry.order.needs]
        for group in (untracked, tracked):
            if group:
                await self._store(group, with_stock=group is tracked)
        if living:
            self._doorbell.ring()

    async def _store(self, entries: list[Entry], *, with_stock: bool) -> None:
        """Store a group; a row that fails is found by halving, so that it does not fail its neighbours."""
        try:
            outcomes = await self._try(entries, with_stock=with_stock)
        except psycopg.Error as error:
            if not meaning(error).blames_row:
                raise
            if len(entries) == 1:
                logger().error("an order could not be stored", error=str(error))
                fail(entries)
                return
            middle = len(entries) // 2
            await self._store(entries[:middle], with_stock=with_stock)
            await self._store(entries[middle:], with_stock=with_stock)
            return
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.outcome = outcome

    async def _try(self, entries: list[Entry], *, with_stock: bool) -> list[Outcome]:
        """Store a group in one transaction, again after a conflict; a lost connection is everybody's outcome."""
        conflict: Exception | None = None
        for _ in range(MAX_TRIES):
            try:
                connection = await self._connected()
                store = self._store_with_stock if with_stock else self._store_plain
                outcomes = await store(connection, entries)
            except NotFresh as error:
                conflict = error
                continue
            except OutcomeUnknown as unknown:
                self._outage.begins(unknown.__cause__ or unknown)
                return [unknown] * len(entries)
            except psycopg.Error as error:
                found = meaning(error)
                if found.retry is Retry.AT_ONCE:
                    conflict = error
                    continue
                if found.told is Told.INTERNAL:
                    raise
                if found.told is Told.OVERLOADED:
                    conflict = error
                    break
                self._outage.begins(error)
                return [database_unavailable()] * len(entries)
            self._outage.ends()
            return outcomes
        logger().warning("orders refused, others were in the way", orders=len(entries), error=str(conflict).strip())
        return [Overloaded()] * len(entries)

    async def _connected(self) -> Connection:
        if self._connection is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            await self._try_idle(self._connection)
        if self._connection is None or self._connection.closed:
            application = f"ordermesh-{self._process}"
            self._connection = await connect_async(self._dsn, application, self._pooler, hot=True)
            for _ in range(FIRST_TIMES):
                await self._learn_time(self._connection)
        self._used_at = time.monotonic()
        return self._connection

    async def _try_idle(self, connection: Connection) -> None:
        """Give up a connection that broke while no order came, as in a process that stands by; else learn the time."""
        try:
            await self._learn_time(connection)
        except psycopg.Error:
            await connection.close()

    async def connect(self) -> None:
        """Connect now, so that the first order need not wait for it. Raises psycopg.OperationalError."""
        await self._connected()

    async def _learn_time(self, connection: Connection) -> None:
        """Ask the database for its time."""
        sent_at = time.monotonic()
        cursor = await connection.execute(QUERIES.tell_time)
        row = await cursor.fetchone()
        if row:
            self._clock.learn(row[0], sent_at, time.monotonic())

    async def _store_plain(self, connection: Connection, entries: Sequence[Entry]) -> list[Outcome]:
        """Store orders of untracked products: one statement."""
        now_us = self._clock.now_us(len(entries))
        batch = [
            insert_orders.planned(entry.order, uuid7(now_us + n), uuid7(now_us + n), CREATED, now_us + n)
            for n, entry in enumerate(entries)
        ]
        return await self._insert(connection, batch)

    async def _insert(self, connection: Connection, batch: Sequence[PlannedOrder]) -> list[Outcome]:
        sent_at = time.monotonic()
        cursor = await execute(connection, QUERIES.insert_orders, insert_orders.order_parameters(batch, self._process))
        row = await cursor.fetchone()
        if row is None:
            raise psycopg.DataError("the insert told nothing")
        self._clock.learn(row[0], sent_at, time.monotonic())
        return await settle_replays(connection, batch, set(row[1]))

    async def _store_with_stock(self, connection: Connection, entries: Sequence[Entry]) -> list[Outcome]:
        """Store orders of tracked products; raises NotFresh when a request came in meanwhile."""
        return await store_tracked(connection, [entry.order for entry in entries], self._clock, self._insert)


def fail(entries: Sequence[Entry]) -> None:
    """Give those entries that have no outcome a fault."""
    for entry in entries:
        entry.outcome = entry.outcome or ServiceError(ErrorReason.INTERNAL_FAULT, "the order could not be stored")


def give_up(tickets: Sequence[Ticket], outcome: ServiceError) -> None:
    """Answer the calls that still wait."""
    for ticket in tickets:
        if not ticket.future.done():
            ticket.future.set_result([outcome] * len(ticket.orders))


def answer(tickets: Sequence[Ticket], entries: Sequence[Entry]) -> None:
    """Hand the outcomes to the calls that wait for them."""
    position = 0
    for ticket in tickets:
        outcomes = [
            entry.outcome or database_unavailable() for entry in entries[position : position + len(ticket.orders)]
        ]
        position += len(ticket.orders)
        if not ticket.future.done():
            ticket.future.set_result(outcomes)
    accepted = [entry.outcome for entry in entries if isinstance(entry.outcome, Accepted)]
    for status, orders in Counter(one.status for one in accepted if not one.replayed).items():
        metrics.ORDERS_ACCEPTED.labels(Order.Status.Name(status)).inc(orders)
