"""The full reconciliation: it goes on while nobody waits, and all who ask meanwhile get the same result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from gateway.reconciliation.findings import counted_noun
from gateway.reconciliation.ledger_audit import AuditProgress

# Whoever asks again after a response without a verdict finds the result for this long.
KEPT_SECONDS = 60.0


class FullReconciliation:
    """Runs one at a time."""

    def __init__(self, reconcile: Callable[[AuditProgress], Awaitable[ReconcileResponse]]) -> None:
        self._reconcile = reconcile
        self._task: asyncio.Task[ReconcileResponse] | None = None
        self._progress = AuditProgress()
        self._ended_seconds = 0.0

    async def answer(self, wait_seconds: float) -> ReconcileResponse:
        """Wait for the running one, which is begun if there is none; without its verdict in time, return the progress.

        Raises what it ended with: ServiceError or ComponentFault.
        """
        task = self._running()
        done, _ = await asyncio.wait({task}, timeout=wait_seconds)
        if not done:
            return self._unfinished()
        if task.cancelled() or task.exception() is not None:
            self._task = None
        return task.result()

    def _running(self) -> asyncio.Task[ReconcileResponse]:
        kept = self._task is not None and (
            not self._task.done() or time.monotonic() - self._ended_seconds < KEPT_SECONDS
        )
        if not kept or self._task is None:
            self._progress = AuditProgress()
            self._task = asyncio.create_task(self._run(self._progress), name="full reconciliation")
        return self._task

    async def _run(self, progress: AuditProgress) -> ReconcileResponse:
        try:
            response = await self._reconcile(progress)
            response.audit.CopyFrom(progress.message())
            return response
        finally:
            self._ended_seconds = time.monotonic()

    def _unfinished(self) -> ReconcileResponse:
        audit = self._progress.message()
        summary = f"not finished: {audit.days_done} of {audit.days} days, {counted_noun(audit.rows, 'row')} read"
        return ReconcileResponse(summary=summary, audit=audit)

    def close(self) -> None:
        """Cancel the running one, if any."""
        if self._task is not None:
            self._task.cancel()
