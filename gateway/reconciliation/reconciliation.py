"""Reconciles orders and metrics: reads both ends in an order that makes the comparison hold under traffic."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from confluent_kafka import KafkaException
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition

from gateway.backends.event_log import EventLog
from gateway.backends.grpc_backend import Analytics, Orders, needing, unavailable
from gateway.reconciliation.comparison import (
    Evidence,
    Finding,
    audit_findings,
    conclude,
    product_findings,
    since,
    suspects,
)

Answer = TypeVar("Answer")

# Minutes whose ids are compared at once: bounds the memory.
CHUNK_MINUTES = 16
KAFKA_SECONDS = 5.0
PROGRESS_SECONDS = 5.0
RETRY_SECONDS = 0.1


class Reconciliation:
    """One comparison: what was published before the waiting must be counted or set aside after it."""

    def __init__(self, orders: Orders, analytics: Analytics, log: EventLog, wait_seconds: float) -> None:
        self._orders = orders
        self._analytics = analytics
        self._log = log
        self._give_up = time.monotonic() + wait_seconds

    async def run(self) -> ReconcileResponse:
        """Return the verdict. Raises errors.Unavailable when a part does not answer."""
        started = time.monotonic()
        started_at = Timestamp()
        started_at.GetCurrentTime()
        evidence = await self._ledgers()
        await self._compare_ids(evidence)
        evidence.metrics = audit_findings(await self._ask_analytics(self._analytics.audit()))
        if evidence.quiet and not suspects(evidence.published, evidence.counted):
            evidence.metrics += await self._compare_products(evidence)
        response = conclude(evidence)
        response.start_time.CopyFrom(started_at)
        response.duration_ms = int((time.monotonic() - started) * 1000)
        return response

    async def _ledgers(self) -> Evidence:
        """Read what is published, let the processor reach it, then read what is counted."""
        published = await self._ask_orders(self._orders.ledger())
        lag = await self._settle()
        counted = await self._ask_analytics(self._analytics.ledger())
        covers_from = max(published.complete_since, counted.complete_since)
        return Evidence(
            published=since(published.minutes, covers_from),
            counted=since(counted.minutes, covers_from),
            covers_from=covers_from,
            pending=published.pending,
            dead=published.dead,
            parked=counted.parked,
            lag=lag,
        )

    async def _compare_ids(self, evidence: Evidence) -> None:
        """Compare the ids of the minutes that differ, in the same order of reads: they have moved on since."""
        differing = suspects(evidence.published, evidence.counted)
        for start in range(0, len(differing), CHUNK_MINUTES):
            minutes = differing[start : start + CHUNK_MINUTES]
            published = {minute: await self._ask_orders(self._orders.published_ids(minute)) for minute in minutes}
            evidence.lag = max(evidence.lag, await self._settle())
            for minute in minutes:
                await self._compare_minute(evidence, minute, published.pop(minute))

    async def _compare_minute(self, evidence: Evidence, minute: int, published: set[bytes]) -> None:
        counted, parked = await self._ask_analytics(self._analytics.counted_ids(minute))
        extra = evidence.note_ids(minute, published, counted, parked)
        if extra:
            evidence.note_phantoms(minute, extra - await self._ask_orders(self._orders.known(extra)))

    async def _compare_products(self, evidence: Evidence) -> list[Finding]:
        """Compare sums by product; what differs only counts when no order came meanwhile."""
        sums = await self._ask_orders(self._orders.product_sums())
        metrics = await self._ask_analytics(self._analytics.product_metrics())
        found = product_findings(sums, metrics)
        if not found:
            return []
        again = await self._ask_orders(self._orders.ledger())
        moved = again.pending or since(again.minutes, evidence.covers_from) != evidence.published
        return [] if moved else found

    async def _settle(self) -> int:
        """Let the processor reach the end of the log; a broker that is away is given the same patience."""
        while True:
            left_seconds = self._give_up - time.monotonic()
            try:
                return await self._log.settle(left_seconds, min(KAFKA_SECONDS, max(1.0, left_seconds)), self._marks)
            except (KafkaException, TimeoutError) as error:
                if time.monotonic() > self._give_up:
                    raise unavailable("kafka") from error
                await asyncio.sleep(RETRY_SECONDS)

    async def _marks(self) -> Sequence[PartitionPosition]:
        """Return how far the log is counted; the group's offsets may be wrong, or of a topic that is gone."""
        return (await self._ask_analytics(self._analytics.progress(PROGRESS_SECONDS))).positions

    async def _ask_orders(self, answer: Awaitable[Answer]) -> Answer:
        with needing("orders"):
            return await answer

    async def _ask_analytics(self, answer: Awaitable[Answer]) -> Answer:
        with needing("analytics"):
            return await answer
