"""Reconciles the closed minutes once a minute, and tells what the last reconciliation found and how old it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse

from gateway.backends.errors import ComponentFault
from gateway.reconciliation.verdict import counts
from runtime.errors import ServiceError
from runtime.process.shutdown import stops_within
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

Verdict = ReconcileResponse.Verdict
Kind = ReconcileResponse.Finding.Kind

INTERVAL_SECONDS = 60.0
# When the services start together, the first attempts come too early.
RETRY_SECONDS = 5.0
MOST_SECONDS = 50.0
# A verdict holds until two further reconciliations should have come to theirs.
CURRENT_SECONDS = 3 * INTERVAL_SECONDS


class PeriodicReconciliation:
    """Runs one reconciliation at a time, and keeps the last verdict."""

    def __init__(self, reconcile: Callable[[], Awaitable[ReconcileResponse]]) -> None:
        self._reconcile = reconcile
        self._last: ReconcileResponse | None = None
        self._logged = Verdict.VERDICT_UNSPECIFIED
        self._last_seconds = time.monotonic()
        self._problem = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile every minute until `stop`, and soon again when there was no verdict."""
        while not stop.is_set():
            started = time.monotonic()
            await self.run_once()
            interval = RETRY_SECONDS if self._problem else INTERVAL_SECONDS
            await stops_within(stop, max(0.0, interval - (time.monotonic() - started)))

    async def run_once(self) -> None:
        """Reconcile, and note the verdict, or why there is none."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                response = await self._reconcile()
        except TimeoutError:
            self._problem = f"not finished within {MOST_SECONDS:g} s"
        except (ServiceError, ComponentFault) as error:
            self._problem = str(error)
        else:
            self._last, self._last_seconds, self._problem = response, started, ""
        state = self.state()
        self._log(state)
        record(state)

    def _log(self, state: PipelineStatus.Reconciliation) -> None:
        """Log a change of the verdict. That a component does not answer is logged as its state."""
        if state.verdict == self._logged:
            return
        self._logged = state.verdict
        expected = state.verdict in (Verdict.AGREES, Verdict.IN_FLIGHT)
        log = logger().info if expected else logger().warning
        log("reconciliation changed", verdict=word(state.verdict), summary=state.summary, reason=state.problem)

    def state(self) -> PipelineStatus.Reconciliation:
        """Return what the last verdict is; an old one holds no longer."""
        age_seconds = time.monotonic() - self._last_seconds
        last = self._last
        if last is None:
            return PipelineStatus.Reconciliation(age_seconds=age_seconds, problem=self._problem)
        state = PipelineStatus.Reconciliation(
            summary=last.summary,
            start_time=last.start_time,
            age_seconds=age_seconds,
            duration_ms=last.duration_ms,
            compared_orders=last.compared_orders,
            findings=[
                PipelineStatus.FindingCount(kind=kind, count=count)
                for kind, count in sorted(counts(last.findings).items())
            ],
            problem=self._problem,
        )
        if age_seconds <= CURRENT_SECONDS:
            state.verdict = last.verdict
            if last.verdict == Verdict.AGREES:
                state.exact_until_time.CopyFrom(last.coverage_end_time)
        return state


def word(verdict: int) -> str:
    """Return the word for a verdict in logs and metrics."""
    names: dict[int, str] = {value: name.lower() for name, value in Verdict.items()[1:]}
    return names.get(verdict, "unknown")


def record(state: PipelineStatus.Reconciliation) -> None:
    """Set the metrics to a state."""
    for _, verdict in Verdict.items():
        metrics.RECONCILIATION_VERDICT.labels(word(verdict)).set(state.verdict == verdict)
    found: dict[int, int] = {one.kind: one.count for one in state.findings}
    for name, kind in Kind.items()[1:]:
        metrics.RECONCILIATION_FINDINGS.labels(name.lower()).set(found.get(kind, 0))
    if state.HasField("start_time"):
        metrics.RECONCILIATION_TIME.set(state.start_time.seconds)
        metrics.RECONCILIATION_DURATION.set(state.duration_ms / 1000)
    if state.HasField("exact_until_time"):
        metrics.RECONCILIATION_EXACT_UNTIL.set(state.exact_until_time.seconds)
