"""The proof at the end: that each order which this run had acknowledged is stored, and counted once.

Other clients may make orders meanwhile: they are told from ours by id, counted, and no reason to fail.
"""

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import grpc
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import pipeline_pb2

from loadgen.proof.own_orders import OwnOrders, compare, first_ms
from loadgen.proof.stored_orders import StoredOrders
from loadgen.target import STATUS

RECONCILE = "/ordermesh.gateway.v1.PipelineService/Reconcile"
SUMMARY = "/ordermesh.analytics.v1.AnalyticsService/GetSalesSummary"
PAUSE_SECONDS = 0.5
SPARE_SECONDS = 10.0
FINDINGS_SHOWN = 20
IDS_SHOWN = 5
# What the clocks of two processes, and the age of an event in the answer, may be apart.
CLOCK_SECONDS = 1.0
Response = pipeline_pb2.ReconcileResponse


class NotSettled(Exception):
    """The pipeline did not come to rest, or did not answer, in time; the message says which."""


class Proof(StrEnum):
    """What the reconciliation proved."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    NOT_PROVEN = "NOT_PROVEN"


@dataclass(frozen=True)
class Claim:
    """What a run may say of itself: acknowledged orders, their value, and orders that may or may not be stored."""

    accepted: int
    accepted_minor: int
    unanswered: int
    own: OwnOrders = field(default_factory=OwnOrders)


@dataclass(frozen=True)
class Totals:
    """What the metrics count, and the number of dead letters."""

    orders: int
    revenue_minor: int
    dead_letters: int


@dataclass(frozen=True)
class Baseline:
    """How the pipeline was before the run: totals, None while another client was making orders; and what differed."""

    totals: Totals | None = None
    findings: frozenset[str] = frozenset()
    # When, in milliseconds of the gateway's clock; 0 where the pipeline was not at rest.
    at_ms: int = 0


@dataclass(frozen=True)
class Reconciliation:
    """The proof with its grounds; the totals are None unless the run began with the pipeline at rest."""

    proof: Proof
    summary: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    before: Totals | None = None
    after: Totals | None = None
    other_orders: int = 0
    in_flight: int = 0
    took_ms: int = 0


def judge(before: Totals, after: Totals, claim: Claim, others: int = 0) -> list[str]:
    """Return what in the totals the claim and the orders of others do not explain; empty when that is nothing."""
    dead_letters = max(0, after.dead_letters - before.dead_letters)
    orders = after.orders - before.orders
    revenue_minor = after.revenue_minor - before.revenue_minor
    lowest, highest = claim.accepted - dead_letters, claim.accepted + claim.unanswered + others
    problems = []
    if not lowest <= orders <= highest:
        expected = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
        problems.append(f"orders counted: {orders}, acknowledged: {expected}")
    exact = dead_letters == 0 and claim.unanswered == 0 and others == 0
    too_little = dead_letters == 0 and revenue_minor < claim.accepted_minor
    if too_little or (exact and revenue_minor != claim.accepted_minor):
        problems.append(f"revenue counted: {revenue_minor / 100:.2f}, acknowledged: {claim.accepted_minor / 100:.2f}")
    return problems


def own_problems(missing: list[str], doubled: list[str]) -> list[str]:
    """Say what became of own orders that are not stored once."""
    cases = ((missing, "acknowledged and not stored"), (doubled, "stored again under another id"))
    return [f"{len(ids)} of this run's orders {what}: {', '.join(ids[:IDS_SHOWN])}" for ids, what in cases if ids]


class Reconciler:
    """Asks the target; `baseline` before a run, `prove` after it."""

    def __init__(self, address: str, patience_seconds: float) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._patience_seconds = patience_seconds
        request = pipeline_pb2.ReconcileRequest.SerializeToString
        self._reconcile = self._channel.unary_unary(RECONCILE, request, Response.FromString)
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
        """Return how the pipeline is before a run, at rest unless another client makes orders; raise NotSettled."""
        settled = await self._settle(None, None)
        response = settled.response
        known = frozenset(finding.message for finding in response.findings)
        if settled.moving:
            return Baseline(findings=known)
        if response.in_flight:
            raise NotSettled(f"{response.in_flight} events of earlier orders are still on their way")
        return Baseline(await self._totals(response), known, response.start_time.ToMilliseconds())

    async def prove(self, before: Baseline, claim: Claim) -> Reconciliation:
        """Return the proof for the orders of the claim, all of which have been answered by now."""
        started = time.monotonic()
        try:
            settled = await self._settle(started, before.findings)
            after = None if before.totals is None else await self._totals(settled.response)
            own = await self._own(before, after, claim)
        except NotSettled as error:
            return Reconciliation(Proof.NOT_PROVEN, str(error), before=before.totals)
        response = settled.response
        told = [finding.message for finding in response.findings]
        problems = [message for message in told if message not in before.findings][:FINDINGS_SHOWN] + own.problems
        counted = settled.own_counted or not response.in_flight
        return Reconciliation(
            proof=Proof.DIFFERS if problems else Proof.AGREES if counted else Proof.NOT_PROVEN,
            summary=response.summary,
            problems=problems,
            notes=[f"from before this run: {message}" for message in told if message in before.findings] + own.notes,
            before=before.totals,
            after=after,
            other_orders=own.others,
            in_flight=response.in_flight,
            took_ms=round((time.monotonic() - started) * 1000),
        )

    async def _own(self, before: Baseline, after: Totals | None, claim: Claim) -> "Own":
        """Look each own order up, unless the totals have grown by exactly what was acknowledged."""
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
            raise NotSettled(f"OrderService: {_tell(error)}") from None
        problems = own_problems(missing, found.doubled)
        if before.totals is not None and after is not None:
            problems += judge(before.totals, after, claim, found.others)
        notes = [f"another client made {found.others:,} orders"] if found.others else []
        return Own(problems, notes, found.others)

    async def _settle(self, since: float | None, known: frozenset[str] | None) -> "Settled":
        """Return the verdict once nothing is on its way; else the last in time. Raises NotSettled without one.

        While another client makes orders, nothing ever comes to rest: then it is enough that what was stored before
        `since` is published and counted. Findings that are not `known` end the waiting.
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
                    raise NotSettled(f"PipelineService.Reconcile: {_tell(error)}") from None
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, left_seconds: float, since: float | None, stored: int | None) -> "Settled":
        """Reconcile once. Raises grpc.aio.AioRpcError."""
        status = await self._ask_status()
        published = since is not None and status is not None and published_before(status, since)
        asked = time.monotonic()
        request = pipeline_pb2.ReconcileRequest(wait_seconds=int(left_seconds))
        response: Response = await self._reconcile(request, timeout=left_seconds + SPARE_SECONDS)
        # It waits for the processor to reach the end of the log, unless its time is over.
        reached = time.monotonic() - asked < int(left_seconds)
        now = await self._stored()
        moving = stored is not None and now is not None and now > stored
        return Settled(response, moving, own_counted=published and reached)

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
            raise NotSettled(f"AnalyticsService.GetSalesSummary: {_tell(error)}") from None
        return Totals(summary.orders_total, round(summary.revenue_total * 100), response.dead_letters)


@dataclass(frozen=True)
class Own:
    """What became of the run's own orders, and how many another client made."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: int = 0


@dataclass(frozen=True)
class Settled:
    """A verdict; whether another client was making orders meanwhile, and whether all of ours are in it."""

    response: Response
    moving: bool
    own_counted: bool


def published_before(status: pipeline_pb2.PipelineStatus, since: float) -> bool:
    """Say whether what was stored before a time (of the monotonic clock) has left the outbox."""
    if not status.HasField("outbox"):
        return False
    oldest_seconds = status.outbox.oldest_pending_seconds if status.outbox.pending else 0.0
    return oldest_seconds < time.monotonic() - since - CLOCK_SECONDS


def _tell(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name} {error.details() or ''}".strip()
