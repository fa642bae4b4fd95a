"""Group commit: one writer per process stores the queued orders of many calls in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain.clock import DatabaseClock
from orders.domain.order import Accepted, NewOrder, Outcome
from orders.outbox.notifier import Notifier
from orders.writes.batch_commit import BatchStore, Entry, fail
from orders.writes.commit_delay import CommitDelay
from orders.writes.commit_spans import record_commit
from orders.writes.writer_connection import WriterConnection
from runtime.errors import Expired, OutcomeUnknown, Overloaded, ServiceError, database_unavailable
from runtime.postgres.pooler import Pooler
from runtime.telemetry import logging, metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.tracing import server_span
from runtime.telemetry.tracing.server_span import ServerSpan

MAX_BATCH_ORDERS = 1000
# The database stalls when a transaction has run for so long, and no call is queued behind it.
MAX_DELAY_SECONDS = 2.0


@dataclass(slots=True)
class Submission:
    """The orders of one call, and the future of their outcomes, in the same order."""

    orders: Sequence[NewOrder]
    future: asyncio.Future[list[Outcome]]
    # Of a call whose trace is sampled.
    span: ServerSpan | None = None


class Writer:
    """Stores orders. Any number of handlers may call `submit`; `run` is the only task that writes."""

    def __init__(
        self, dsn: str, process: str, clock: DatabaseClock, notifier: Notifier, pooler: Pooler = "none"
    ) -> None:
        self.connection = WriterConnection(dsn, process, clock, pooler)
        self.batches = BatchStore(self.connection, clock, process)
        self._notifier = notifier
        self._queue: asyncio.Queue[Submission] = asyncio.Queue()
        self._commit_delay = CommitDelay()
        # When the transaction that runs began, None between two.
        self._began_at: float | None = None
        self._ended = False

    async def connect(self) -> None:
        """Connect before the first order. Raises psycopg.OperationalError."""
        await self.connection.get()

    async def submit(self, orders: Sequence[NewOrder]) -> list[Outcome]:
        """Store orders and return the outcome of each; a call that is cancelled before the write drops its orders.

        Raises Unavailable or Overloaded at once when the write would begin too late.
        """
        if self._ended:
            raise database_unavailable()
        if self._began_at is not None:
            self._refuse_late(orders, time.monotonic() - self._began_at)
        submission = Submission(orders, asyncio.get_running_loop().create_future(), server_span.current())
        self._queue.put_nowait(submission)
        return await submission.future

    def _refuse_late(self, orders: Sequence[NewOrder], ran_seconds: float) -> None:
        """Refuse orders behind a transaction that has run for so long, and may run for as long again."""
        if ran_seconds > MAX_DELAY_SECONDS:
            raise database_unavailable()
        ends_at = time.monotonic() + ran_seconds
        if any(order.deadline is not None and order.deadline < ends_at for order in orders):
            raise Overloaded

    async def run(self) -> None:
        """Write batch after batch until cancelled; all waiting calls are answered when this ends, for any reason."""
        submissions: list[Submission] = []
        try:
            while True:
                submissions = await self._next_batch()
                await self._write(submissions)
        finally:
            self._ended = True
            answer_all(submissions, OutcomeUnknown())
            answer_all([self._queue.get_nowait() for _ in range(self._queue.qsize())], database_unavailable())
            await self.connection.close()

    async def _next_batch(self) -> list[Submission]:
        """Wait for a submission, and return it with all that are queued behind it, up to MAX_BATCH_ORDERS."""
        submissions: list[Submission] = []
        while not submissions:
            submission = await self._queue.get()
            count = 0
            while True:
                if not submission.future.cancelled():
                    submissions.append(submission)
                    count += len(submission.orders)
                if count >= MAX_BATCH_ORDERS or self._queue.empty():
                    break
                submission = self._queue.get_nowait()
        return submissions

    async def _write(self, submissions: Sequence[Submission]) -> None:
        """Store a batch, answer its calls, and delay the next commit where that pays off."""
        entries = [Entry(order) for submission in submissions for order in submission.orders]
        started, started_ns, failure = time.perf_counter(), time.time_ns(), None
        self._began_at = time.monotonic()
        try:
            await self._store(entries)
        except Exception as error:
            # An error of one batch must not end the writer: nothing else stores the orders that follow.
            logger().error("batch could not be stored", exc_info=error)
            fail(entries)
            failure = type(error).__name__
        self._began_at = None
        seconds = time.perf_counter() - started
        metrics.GROUP_COMMIT_DURATION.observe(seconds)
        metrics.GROUP_COMMIT_ORDERS.observe(len(entries))
        if sampled := [each.span for each in submissions if each.span is not None]:
            record_commit(sampled, (started_ns, time.time_ns()), len(entries), failure)
        if logging.debugs(__name__):
            logger().debug("batch stored", orders=len(entries), duration_seconds=seconds)
        answer(submissions, entries)
        await self._delay_commit(len(entries))

    async def _store(self, entries: list[Entry]) -> None:
        """Set the outcome of every entry."""
        now = time.monotonic()
        for entry in entries:
            if entry.order.deadline is not None and entry.order.deadline <= now:
                entry.outcome = Expired()
        live = [entry for entry in entries if entry.outcome is None]
        untracked = [entry for entry in live if not entry.order.needs]
        tracked = [entry for entry in live if entry.order.needs]
        for group in (untracked, tracked):
            if group:
                await self.batches.store(group, tracked=group is tracked)
        if live:
            self._notifier.notify()

    async def _delay_commit(self, committed: int) -> None:
        queued = self._queue.qsize()
        if seconds := self._commit_delay.seconds(committed, queued):
            await asyncio.sleep(seconds)
            self._commit_delay.observe(self._queue.qsize() - queued)


def answer_all(submissions: Sequence[Submission], outcome: ServiceError) -> None:
    """Answer the calls that still wait with one outcome."""
    for submission in submissions:
        if not submission.future.done():
            submission.future.set_result([outcome] * len(submission.orders))


def answer(submissions: Sequence[Submission], entries: Sequence[Entry]) -> None:
    """Answer the calls of a batch with their outcomes, and count the accepted orders."""
    position = 0
    for submission in submissions:
        outcomes = [
            entry.outcome or database_unavailable() for entry in entries[position : position + len(submission.orders)]
        ]
        position += len(submission.orders)
        if not submission.future.done():
            submission.future.set_result(outcomes)
    accepted = [entry.outcome for entry in entries if isinstance(entry.outcome, Accepted)]
    for status, orders in Counter(one.status for one in accepted if not one.replayed).items():
        metrics.ORDERS_ACCEPTED.labels(Order.Status.Name(status)).inc(orders)
