"""The proof at the end: whether the pipeline's two ends agree, and its totals fit what this run had acknowledged."""

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import grpc
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import pipeline_pb2

RECONCILE = "/ordermesh.gateway.v1.PipelineService/Reconcile"
SUMMARY = "/ordermesh.analytics.v1.AnalyticsService/GetSalesSummary"
PAUSE_SECONDS = 0.5
SPARE_SECONDS = 10.0
FINDINGS_SHOWN = 20
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
    """What a run may say of itself: acknowledged orders and their value, and orders that may or may not be stored."""

    accepted: int
    accepted_minor: int
    unanswered: int


@dataclass(frozen=True)
class Totals:
    """What the metrics count, and what is set aside as dead letters."""

    orders: int
    revenue_minor: int
    parked: int


@dataclass(frozen=True)
class Reconciliation:
    """The proof with its grounds; the totals are None unless no other client was making orders."""

    proof: Proof
    summary: str
    problems: list[str] = field(default_factory=list)
    before: Totals | None = None
    after: Totals | None = None
    in_flight: int = 0
    took_ms: int = 0


def judge(before: Totals, after: Totals, claim: Claim) -> list[str]:
    """Return what in the totals the claim does not explain; empty when it explains everything."""
    parked = max(0, after.parked - before.parked)
    orders = after.orders - before.orders
    revenue_minor = after.revenue_minor - before.revenue_minor
    lowest, highest = claim.accepted - parked, claim.accepted + claim.unanswered
    problems = []
    if not lowest <= orders <= highest:
        expected = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
        problems.append(f"orders counted: {orders}, acknowledged: {expected}")
    exact = parked == 0 and claim.unanswered == 0
    too_little = parked == 0 and revenue_minor < claim.accepted_minor
    if too_little or (exact and revenue_minor != claim.accepted_minor):
        problems.append(f"revenue counted: {revenue_minor / 100:.2f}, acknowledged: {claim.accepted_minor / 100:.2f}")
    return problems


class Reconciler:
    """Asks the target; `baseline` before a run, `prove` after it."""

    def __init__(self, address: str, patience_seconds: float) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._patience_seconds = patience_seconds
        request = pipeline_pb2.ReconcileRequest.SerializeToString
        self._reconcile = self._channel.unary_unary(RECONCILE, request, Response.FromString)
        summary_request = analytics_pb2.GetSalesSummaryRequest.SerializeToString
        self._summary = self._channel.unary_unary(SUMMARY, summary_request, analytics_pb2.SalesSummary.FromString)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._channel.close()

    async def baseline(self) -> Totals:
        """Return the totals before a run, once nothing is on its way; raise NotSettled when that does not happen."""
        response = await self._settle()
        if response.verdict == Response.IN_FLIGHT:
            raise NotSettled(f"{response.in_flight} events of earlier orders are still on their way")
        return await self._totals(response)

    async def prove(self, before: Totals | None, claim: Claim) -> Reconciliation:
        """Return the proof; without totals from before, the pipeline's own verdict alone decides."""
        started = time.monotonic()
        try:
            response = await self._settle()
            after = None if before is None else await self._totals(response)
        except NotSettled as error:
            return Reconciliation(Proof.NOT_PROVEN, str(error), before=before)
        problems = [finding.message for finding in response.findings[:FINDINGS_SHOWN]]
        proof = _PROOFS.get(response.verdict, Proof.NOT_PROVEN)
        if before is not None and after is not None and proof is not Proof.NOT_PROVEN:
            unexplained = judge(before, after, claim)
            problems.extend(unexplained)
            proof = Proof.DIFFERS if unexplained else proof
        took_ms = round((time.monotonic() - started) * 1000)
        return Reconciliation(proof, response.summary, problems, before, after, response.in_flight, took_ms)

    async def _settle(self) -> Response:
        """Return the response once nothing is on its way, or the last in time; raise NotSettled when there is none."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            left = max(1.0, deadline - time.monotonic())
            request = pipeline_pb2.ReconcileRequest(wait_seconds=int(left))
            try:
                response: Response = await self._reconcile(request, timeout=left + SPARE_SECONDS)
                if response.verdict != Response.IN_FLIGHT or time.monotonic() >= deadline:
                    return response
            except grpc.aio.AioRpcError as error:
                if time.monotonic() >= deadline or error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    raise NotSettled(f"PipelineService.Reconcile: {_tell(error)}") from None
            await asyncio.sleep(PAUSE_SECONDS)

    async def _totals(self, response: Response) -> Totals:
        try:
            summary = await self._summary(analytics_pb2.GetSalesSummaryRequest(), timeout=SPARE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise NotSettled(f"AnalyticsService.GetSalesSummary: {_tell(error)}") from None
        return Totals(summary.orders_total, round(summary.revenue_total * 100), response.parked)


_PROOFS: dict[int, Proof] = {Response.AGREES: Proof.AGREES, Response.DIFFERS: Proof.DIFFERS}


def _tell(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name} {error.details() or ''}".strip()
