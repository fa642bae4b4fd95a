"""Attempts to count a batch: how many events the next one has, and how long to wait before it."""

from __future__ import annotations

import psycopg

from runtime.backoff import Backoff
from runtime.postgres.sqlstates import Retry, classify
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

BACKOFF = Backoff(first_seconds=0.1, max_seconds=2.0)
# Conflicts in a row that are retried at once; further ones are handled like an outage.
MAX_CONFLICTS = 5


class Attempts:
    """The attempts of one worker; `most_events` is the limit of the next one."""

    def __init__(self, batch_events: int) -> None:
        self._batch_events = self.most_events = batch_events
        self._conflicts = 0
        self._outage = Outage("counting")

    def succeeded(self) -> None:
        """Record that a batch was counted; the limit grows again."""
        self._outage.ends()
        self._conflicts = 0
        self.most_events = min(2 * self.most_events, self._batch_events)

    def failed(self, error: Exception, events: int) -> float:
        """Record a failed attempt with so many events; return the seconds before the next, 0 after a conflict.

        Raises the error if no attempt can succeed.
        """
        if not isinstance(error, psycopg.Error):
            return self._backoff_seconds(error)
        found = classify(error)
        if found.retry is Retry.NEVER:
            raise error
        if found.retry is Retry.LATER and not found.drops_connection:
            # A smaller statement may not time out.
            self.most_events = max(min(self.most_events, events) // 2, 1)
        if found.retry is Retry.LATER or self._conflicts == MAX_CONFLICTS:
            return self._backoff_seconds(error)
        self._conflicts += 1
        metrics.COUNTING_CONFLICTS.inc()
        logger().warning("transaction conflict, retrying", error=error)
        return 0.0

    def _backoff_seconds(self, error: Exception) -> float:
        return BACKOFF.delay_seconds(self._outage.begins(error))
