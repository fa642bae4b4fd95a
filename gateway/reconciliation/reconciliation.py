"""Reconciles orders with metrics: reads both sides in an order in which the comparison holds under traffic."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from confluent_kafka import KafkaException
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.errors import requests_to, unavailable
from gateway.backends.event_topics import EventLog
from gateway.backends.orders import OrdersBackend
from gateway.reconciliation.comparison import Evidence, Finding, differing_minutes, from_minute
from gateway.reconciliation.findings import audit_findings, product_findings
from gateway.reconciliation.verdict import conclude

Answer = TypeVar("Answer")

# Minutes whose ids are compared at a time: limits the memory.
CHUNK_MINUTES = 16
KAFKA_SECONDS = 5.0
PROGRESS_SECONDS = 5.0
RETRY_SECONDS = 0.1


class Reconciliation:
    """One comparison: what was published before the wait must be counted, or a dead letter, after it."""

    def __init__(self, orders: OrdersBackend, analytics: AnalyticsBackend, log: EventLog, wait_seconds: float) -> None:
        self._orders = orders
        self._analytics = analytics
        self._log = log
        self._give_up = time.monotonic() + wait_seconds

    async def run(self) -> ReconcileResponse:
        """Return the verdict. Raises errors.Unavailable when a component does not answer."""
        started = time.monotonic()
        start_time = Timestamp()
        start_time.GetCurrentTime()
        evidence = await self._read_ledgers()
        differing = differing_minutes(evidence.published, evidence.counted)
        await self._compare_ids(evidence, differing)
        evidence.metrics = audit_findings(await self._ask_analytics(self._analytics.audit()))
        if evidence.complete and not differing:
            evidence.metrics += await self._compare_products(evidence)
        response = conclude(evidence)
        response.start_time.CopyFrom(start_time)
        response.duration_ms = int((time.monotonic() - started) * 1000)
        return response

    async def _read_ledgers(self) -> Evidence:
        """Read what is published, wait until the processor has counted it, then read what is counted."""
        published = await self._ask_orders(self._orders.ledger())
        lag = await self._wait_until_counted()
        counted = await self._ask_analytics(self._analytics.ledger())
        coverage_start = max(published.coverage_start, counted.coverage_start)
        return Evidence(
            published=from_minute(published.minutes, coverage_start),
            counted=from_minute(counted.minutes, coverage_start),
            coverage_start=coverage_start,
            pending=published.pending,
            dead=published.dead,
            dead_letters=counted.dead_letters,
            lag=lag,
        )

    async def _compare_ids(self, evidence: Evidence, differing: Sequence[int]) -> None:
        """Compare the ids of the minutes that differ, reading in the same order, since both sides have advanced."""
        for start in range(0, len(differing), CHUNK_MINUTES):
            minutes = differing[start : start + CHUNK_MINUTES]
            published = {minute: await self._ask_orders(self._orders.published_ids(minute)) for minute in minutes}
            evidence.lag = max(evidence.lag, await self._wait_until_counted())
            for minute in minutes:
                await self._compare_minute(evidence, minute, published.pop(minute))

    async def _compare_minute(self, evidence: Evidence, minute: int, published: set[bytes]) -> None:
        counted, dead_letters = await self._ask_analytics(self._analytics.counted_ids(minute))
        extra = evidence.note_ids(minute, published, counted, dead_letters)
        if extra:
            evidence.note_phantoms(minute, extra - await self._ask_orders(self._orders.known_ids(extra)))

    async def _compare_products(self, evidence: Evidence) -> list[Finding]:
        """Compare sums by product; differences are ignored if orders arrived meanwhile."""
        sums = await self._ask_orders(self._orders.product_sums())
        metrics = await self._ask_analytics(self._analytics.product_metrics())
        found = product_findings(sums, metrics)
        if not found:
            return []
        again = await self._ask_orders(self._orders.ledger())
        changed = again.pending or from_minute(again.minutes, evidence.coverage_start) != evidence.published
        return [] if changed else found

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
