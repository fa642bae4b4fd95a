"""Reconciles orders with metrics: reads both sides in an order in which the comparison holds under traffic.

The ledgers are compared by day, those of days that differ by minute, and only of minutes that differ the events and the
orders themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from confluent_kafka import KafkaException
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import DAY, MINUTE, LedgerDifference, PartitionPosition

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.errors import requests_to, unavailable
from gateway.backends.event_topics import EventLog
from gateway.backends.ledger import (
    MINUTE_SECONDS,
    NO_EVENTS,
    NO_IDS,
    NO_ORDERS,
    AnalyticsLedger,
    Events,
    OrderLedger,
    Orders,
)
from gateway.backends.orders import OrdersBackend
from gateway.reconciliation.comparison import Evidence, Finding, covered, differing, same_ids, unchanged
from gateway.reconciliation.findings import audit_findings, product_findings
from gateway.reconciliation.ledger_audit import AuditProgress, WrongLedger, minutes_of, wrong_ledgers
from gateway.reconciliation.verdict import conclude

Answer = TypeVar("Answer")

# Minutes whose ids are compared at a time: limits the memory.
CHUNK_MINUTES = 16
KAFKA_SECONDS = 5.0
PROGRESS_SECONDS = 5.0
RETRY_SECONDS = 0.1


class Reconciliation:
    """One comparison: what was published before the wait must be counted, or a dead letter, after it.

    With `closed_minutes`, only minutes that were over some seconds ago are compared: under traffic too, both sides of
    them have come to rest, so that their sums are equal and nothing else is read. With `audit`, the ledgers are
    compared with all rows first.
    """

    def __init__(
        self,
        orders: OrdersBackend,
        analytics: AnalyticsBackend,
        log: EventLog,
        wait_seconds: float,
        *,
        closed_minutes: bool = False,
        audit: AuditProgress | None = None,
    ) -> None:
        self._audit = audit
        self._closed_minutes = closed_minutes
        self._orders = orders
        self._analytics = analytics
        self._log = log
        self._give_up = time.monotonic() + wait_seconds

    async def run(self) -> ReconcileResponse:
        """Return the verdict. Raises errors.Unavailable when a component does not answer."""
        started = time.monotonic()
        start_time = Timestamp()
        start_time.GetCurrentTime()
        wrong = [] if self._audit is None else await wrong_ledgers(self._orders, self._analytics, self._audit)
        published = await self._ask_orders(self._orders.ledger(DAY, closed_minutes=self._closed_minutes))
        lag = await self._wait_until_counted()
        counted = await self._ask_analytics(self._analytics.ledger(DAY, end=published.end))
        evidence = Evidence(published, counted, lag=lag)
        start = evidence.coverage_start
        days = differing(covered(published.events, start), covered(evidence.counted.events, start), NO_EVENTS)
        days += differing(covered(published.orders, start), covered(evidence.counted.orders, start), NO_ORDERS)
        for day in sorted(set(days)):
            await self._compare_day(evidence, day)
        await self._compare_suspects(evidence, wrong)
        differences = self._analytics.metric_differences(all_days=self._audit is not None)
        evidence.metrics = audit_findings(await self._ask_analytics(differences))
        if not evidence.missing and not evidence.phantoms and not evidence.lag:
            evidence.metrics += await self._compare_products(evidence)
        response = conclude(evidence)
        response.start_time.CopyFrom(start_time)
        response.duration_ms = int((time.monotonic() - started) * 1000)
        return response

    async def _compare_day(self, evidence: Evidence, day: int) -> None:
        """Compare the minutes of a day, in the order in which everything is read: orders, the wait, analytics."""
        published, counted = await self._read_minutes(evidence, day)
        minutes = differing(published.events, counted.events, NO_EVENTS)
        await self._compare_events(evidence, minutes, published.events, counted.events)
        wrong = set(differing(published.orders, counted.orders, NO_ORDERS)) - published.pending_minutes
        # A missing event, or one too many, explains every difference that follows from it.
        if wrong and not evidence.missing and not evidence.phantoms and not evidence.lag:
            again = await self._ask_orders(self._orders.ledger(MINUTE, day, evidence.end_of(day)))
            await self._compare_orders(evidence, unchanged(wrong, published.orders, again.orders), published.orders)

    async def _read_minutes(self, evidence: Evidence, day: int) -> tuple[OrderLedger, AnalyticsLedger]:
        end = evidence.end_of(day)
        published = await self._ask_orders(self._orders.ledger(MINUTE, day, end))
        evidence.lag = max(evidence.lag, await self._wait_until_counted())
        return published, await self._ask_analytics(self._analytics.ledger(MINUTE, day, end))

    async def _compare_events(
        self, evidence: Evidence, minutes: Sequence[int], published: Events, counted: Events
    ) -> None:
        """Compare the ids of the minutes that differ, reading in the same order, since both sides have advanced."""
        by_ids = []
        for minute in minutes:
            sums = published.get(minute, NO_EVENTS), counted.get(minute, NO_EVENTS)
            if same_ids(published, counted, minute):
                evidence.minutes[minute] = sums
            elif evidence.holds_ids(minute, sums[0]):
                by_ids.append(minute)
            else:
                _, dead_letters = await self._ask_analytics(self._analytics.counted_ids(minute))
                evidence.note_old_events(minute, *sums, dead_letters)
        await self._compare_by_ids(evidence, by_ids)

    async def _compare_by_ids(self, evidence: Evidence, minutes: Sequence[int]) -> None:
        for at in range(0, len(minutes), CHUNK_MINUTES):
            chunk = minutes[at : at + CHUNK_MINUTES]
            ids = {minute: await self._ask_orders(self._orders.published_ids(minute)) for minute in chunk}
            evidence.lag = max(evidence.lag, await self._wait_until_counted())
            for minute in chunk:
                await self._compare_ids(evidence, minute, ids.pop(minute))

    async def _compare_ids(self, evidence: Evidence, minute: int, published: set[bytes]) -> None:
        counted, dead_letters = await self._ask_analytics(self._analytics.counted_ids(minute))
        extra = evidence.note_ids(minute, published, counted, dead_letters)
        if extra:
            evidence.note_phantoms(minute, extra - await self._ask_orders(self._orders.known_ids(extra)))

    async def _compare_orders(self, evidence: Evidence, minutes: Sequence[int], sums: Orders) -> None:
        """Compare the orders of minutes whose sums differ although nothing changed them."""
        for minute in minutes:
            if minute < evidence.counted.ids_start:
                evidence.note_old_orders(minute, await self._ask_orders(self._orders.states(minute)))
            elif not await self._compare_states(evidence, minute):
                again = await self._ask_orders(self._orders.ledger(MINUTE, minute, minute + MINUTE_SECONDS))
                if unchanged({minute}, sums, again.orders):
                    evidence.orders[minute] = NO_IDS

    async def _compare_states(self, evidence: Evidence, minute: int) -> bool:
        """Compare the orders of a minute, and return whether any can differ."""
        before = await self._ask_orders(self._orders.states(minute))
        evidence.lag = max(evidence.lag, await self._wait_until_counted())
        states = await self._ask_analytics(self._analytics.states(minute))
        return evidence.note_orders(minute, before, states, await self._ask_orders(self._orders.states(minute)))

    async def _compare_suspects(self, evidence: Evidence, wrong: Sequence[WrongLedger]) -> None:
        """Compare the rows of minutes of which a ledger is wrong: the ledgers may be equal, and the rows not."""
        evidence.wrong_ledgers = wrong
        minutes = [one for one in minutes_of(wrong, LedgerDifference.EVENTS) if one >= evidence.ids_start]
        await self._compare_by_ids(evidence, minutes)
        if not evidence.missing and not evidence.phantoms and not evidence.lag:
            for minute in minutes_of(wrong, LedgerDifference.ORDERS):
                if minute >= evidence.counted.ids_start:
                    await self._compare_states(evidence, minute)

    async def _compare_products(self, evidence: Evidence) -> list[Finding]:
        """Compare the sales of products; under traffic a metric may be anywhere between two readings of the orders."""
        quiet = not (await self._ask_orders(self._orders.progress(PROGRESS_SECONDS))).pending
        before = await self._ask_orders(self._orders.product_sums(evidence.uncounted))
        evidence.lag = max(evidence.lag, await self._wait_until_counted())
        metrics = await self._ask_analytics(self._analytics.product_metrics())
        after = await self._ask_orders(self._orders.product_sums(evidence.uncounted))
        quiet = quiet and before == after
        return product_findings(before, metrics, after, quiet=quiet)

    async def _wait_until_counted(self) -> int:
        """Wait until the processor has counted the log, and return the lag; retries while Kafka does not answer."""
        while True:
            left_seconds = self._give_up - time.monotonic()
            timeout_seconds = min(KAFKA_SECONDS, max(1.0, left_seconds))
            try:
                return await self._log.wait_until_counted(left_seconds, timeout_seconds, self._positions)
            except (KafkaException, TimeoutError) as error:
                if time.monotonic() > self._give_up:
                    raise unavailable("kafka") from error
                await asyncio.sleep(RETRY_SECONDS)

    async def _positions(self) -> Sequence[PartitionPosition]:
        """Return the partition positions; the group's offsets may be wrong, or of a deleted topic."""
        return (await self._ask_analytics(self._analytics.progress(PROGRESS_SECONDS))).positions

    async def _ask_orders(self, answer: Awaitable[Answer]) -> Answer:
        with requests_to("orders"):
            return await answer

    async def _ask_analytics(self, answer: Awaitable[Answer]) -> Answer:
        with requests_to("analytics"):
            return await answer
