"""Reconciles after a run: each acknowledged order must be stored, and counted once.

Other clients may create orders at the same time: they are recognised by id, and are no failure.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Self

import grpc
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import pipeline_pb2

from loadgen.options import Target
from loadgen.reconciliation.own_orders import compare, first_ms
from loadgen.reconciliation.stored_orders import StoredOrders
from loadgen.reconciliation.verdict import (
    Baseline,
    Claim,
    Reconciliation,
    Totals,
    Verdict,
    describe_own_problems,
    judge,
)
from loadgen.target import STATUS, open_channel

RECONCILE = "/ordermesh.gateway.v1.PipelineService/Reconcile"
SUMMARY = "/ordermesh.analytics.v1.AnalyticsService/GetSalesSummary"
PAUSE_SECONDS = 0.5
SPARE_SECONDS = 10.0
FINDINGS_SHOWN = 20
# Tolerance between the clocks of two processes, and of the age of an event in the response.
CLOCK_SECONDS = 1.0
Response = pipeline_pb2.ReconcileResponse


class NotReconciled(Exception):
    """The pipeline did not become idle, or did not respond, in time; the message says which."""


class Reconciler:
    """Queries the target: `baseline` before a run, `reconcile` after it."""

    def __init__(self, target: Target, patience_seconds: float) -> None:
        self._channel = open_channel(target)
        self._patience_seconds = patience_seconds
        request = pipeline_pb2.ReconcileRequest.SerializeToString
        self._call_reconcile = self._channel.unary_unary(RECONCILE, request, Response.FromString)
        status_request = pipeline_pb2.GetStatusRequest.SerializeToString
        self._status = self._channel.unary_unary(STATUS, status_request, pipeline_pb2.PipelineStatus.FromString)
        summary_request = analytics_pb2.GetSalesSummaryRequest.SerializeToString
        self._summary = self._channel.unary_unary(SUMMARY, summary_request, analytics_pb2.SalesSummary.FromString)
        self._orders = StoredOrders(self._channel)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._channel.close()

    async def baseline(self) -> Baseline:
        """Wait for an idle pipeline, unless another client creates orders, and return it. Raises NotReconciled."""
        settled = await self._await_idle(None, None)
        response = settled.response
        known = frozenset(finding.message for finding in response.findings)
        if settled.moving:
            return Baseline(findings=known)
        if response.in_flight:
            raise NotReconciled(f"{response.in_flight} events of earlier orders are still in flight")
        return Baseline(await self._totals(response), known, response.start_time.ToMilliseconds())

    async def reconcile(self, before: Baseline, claim: Claim) -> Reconciliation:
        """Reconcile the orders of the claim, after all calls have ended."""
        started = time.monotonic()
        try:
            settled = await self._await_idle(started, before.findings)
            after = None if before.totals is None else await self._totals(settled.response)
            own = await self._own(before, after, claim)
        except NotReconciled as error:
            return Reconciliation(Verdict.NOT_PROVEN, str(error), before=before.totals)
        response = settled.response
        messages = [finding.message for finding in response.findings]
        problems = [message for message in messages if message not in before.findings][:FINDINGS_SHOWN] + own.problems
        counted = settled.own_counted or not response.in_flight
        return Reconciliation(
            verdict=Verdict.DIFFERS if problems else Verdict.AGREES if counted else Verdict.NOT_PROVEN,
            summary=response.summary,
            problems=problems,
            notes=[f"before this run: {message}" for message in messages if message in before.findings] + own.notes,
            before=before.totals,
            after=after,
            other_orders=own.others,
            in_flight=response.in_flight,
            took_ms=round((time.monotonic() - started) * 1000),
        )

    async def _own(self, before: Baseline, after: Totals | None, claim: Claim) -> "Own":
        """Look up each own order, unless the totals have grown by exactly the acknowledged orders."""
        unexplained = [] if before.totals is None or after is None else judge(before.totals, after, claim)
        exact = after is not None and not unexplained and not claim.unanswered
        if exact or not claim.own.acknowledged:
            return Own(unexplained)
        first = first_ms(claim.own.ids())
        since = min(first, before.at_ms - int(CLOCK_SECONDS * 1000)) if before.at_ms else first
        try:
            found = compare(claim.own, await self._orders.since(max(0, since)))
            missing = await self._orders.absent(sorted(found.missing))
        except grpc.aio.AioRpcError as error:
            raise NotReconciled(f"OrderService: {_describe(error)}") from None
        problems = describe_own_problems(missing, found.doubled)
        if before.totals is not None and after is not None:
            problems += judge(before.totals, after, claim, found.others)
        notes = [f"another client created {found.others:,} orders"] if found.others else []
        return Own(problems, notes, found.others)

    async def _await_idle(self, since: float | None, known: frozenset[str] | None) -> "Observation":
        """Return the reconciliation once no event is in flight; at the timeout the last one. Raises NotReconciled.

        While another client creates orders, the pipeline is never idle: then it is enough that orders stored before
        `since` (monotonic clock) are published and counted. Findings that are not `known` end the wait.
        """
        deadline = time.monotonic() + self._patience_seconds
        stored = await self._stored()
        while True:
            try:
                settled = await self._ask(max(1.0, deadline - time.monotonic()), since, stored)
                news = known is not None and any(one.message not in known for one in settled.response.findings)
                enough = settled.moving and (since is None or settled.own_counted)
                if news or enough or not settled.response.in_flight or time.monotonic() >= deadline:
                    return settled
            except grpc.aio.AioRpcError as error:
                if time.monotonic() >= deadline or error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    raise NotReconciled(f"PipelineService.Reconcile: {_describe(error)}") from None
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, left_seconds: float, since: float | None, stored: int | None) -> "Observation":
        """Call Reconcile once. Raises grpc.aio.AioRpcError."""
        status = await self._ask_status()
        published = since is not None and status is not None and published_before(status, since)
        asked = time.monotonic()
        request = pipeline_pb2.ReconcileRequest(wait_seconds=int(left_seconds))
        response: Response = await self._call_reconcile(request, timeout=left_seconds + SPARE_SECONDS)
        # The call returns before its timeout only when the processor has reached the end of the log.
        reached = time.monotonic() - asked < int(left_seconds)
        now = await self._stored()
        moving = stored is not None and now is not None and now > stored
        return Observation(response, moving, own_counted=published and reached)

    async def _stored(self) -> int | None:
        status = await self._ask_status()
        return None if status is None else status.intake.orders_total

    async def _ask_status(self) -> pipeline_pb2.PipelineStatus | None:
        try:
            status: pipeline_pb2.PipelineStatus
            status = await self._status(pipeline_pb2.GetStatusRequest(), timeout=SPARE_SECONDS)
        except grpc.aio.AioRpcError:
            return None
        return status

    async def _totals(self, response: Response) -> Totals:
        try:
            summary = await self._summary(analytics_pb2.GetSalesSummaryRequest(), timeout=SPARE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise NotReconciled(f"AnalyticsService.GetSalesSummary: {_describe(error)}") from None
        return Totals(summary.orders_total, round(summary.revenue_total * 100), response.dead_letters)


@dataclass(frozen=True)
class Own:
    """Problems of the own orders, and the number of orders of other clients."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: int = 0


@dataclass(frozen=True)
class Observation:
    """A response of Reconcile; whether another client creates orders, and whether all own orders are counted."""

    response: Response
    moving: bool
    own_counted: bool


def published_before(status: pipeline_pb2.PipelineStatus, since: float) -> bool:
    """Return whether events stored before a time (monotonic clock) have left the outbox."""
    if not status.HasField("outbox"):
        return False
    oldest_seconds = status.outbox.oldest_pending_seconds if status.outbox.pending else 0.0
    return oldest_seconds < time.monotonic() - since - CLOCK_SECONDS


def _describe(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name} {error.details() or ''}".strip()
