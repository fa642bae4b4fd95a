"""A worker's connection to the analytics database, and what the worker refreshes over it: heartbeat, event window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import psycopg

from processor.consume import poison_pills
from processor.counting import progress
from processor.events.event import ANY_TIME
from processor.settings import WorkSettings
from runtime.kafka.offsets import Partition
from runtime.postgres.connection_types import Connection
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

HEARTBEAT_SECONDS = 1.0
WINDOW_SECONDS = 3600.0


class Session:
    """Connects when needed; `on_connect` is called for each new connection. Not for use by several threads."""

    def __init__(self, settings: WorkSettings, worker_id: str, on_connect: Callable[[], None]) -> None:
        self._settings = settings
        self._worker_id = worker_id
        self._on_connect = on_connect
        self._connection: Connection | None = None
        self._checked_last_run = False
        # Under which the worker counts, known once it is connected.
        self.worker_number: int | None = None
        self.window = ANY_TIME
        # Whether no batch was counted with this window yet.
        self.window_is_new = False
        self._window_at = self._heartbeat_at = float("-inf")

    def connection(self) -> Connection:
        """Return the connection, made if there is none. Raises psycopg.OperationalError."""
        if self._connection is None:
            dsn = self._settings.analytics_dsn.get_secret_value()
            self._connection = progress.connect(dsn, self._settings.postgres_pooler)
            self.expire_window()
            self.expire_heartbeat()
            self._on_connect()
        if self.worker_number is None:
            self.worker_number = progress.worker_number(self._connection, self._worker_id)
        if not self._checked_last_run:
            self._check_last_run(self._connection)
            self._checked_last_run = True
        return self._connection

    def _check_last_run(self, connection: Connection) -> None:
        positions, most = progress.positions(connection), self._settings.processor_batch_events
        if partitions := poison_pills.record_last_crash(connection, self._worker_id, positions, most):
            metrics.WORKER_CRASHES.inc()
            logger().warning("the last run of this worker crashed", partitions=partitions)

    def record_heartbeat(self, assigned: Iterable[Partition]) -> bool:
        """Record the heartbeat when it is due; return whether it was."""
        now = time.monotonic()
        if now - self._heartbeat_at < HEARTBEAT_SECONDS:
            return False
        progress.record_heartbeat(self.connection(), self._worker_id, assigned)
        self._heartbeat_at = now
        return True

    def refresh_window(self) -> None:
        """Read the event window again when it is due: it moves with the time."""
        now = time.monotonic()
        if now - self._window_at >= WINDOW_SECONDS:
            self.window = progress.event_window(self.connection(), self._settings.processor_retention_days)
            self.window_is_new = True
            self._window_at = now

    def expire_window(self) -> None:
        """Have the event window read again next."""
        self._window_at = float("-inf")

    def expire_heartbeat(self) -> None:
        """Have the heartbeat recorded next."""
        self._heartbeat_at = float("-inf")

    def end_cleanly(self) -> None:
        """Delete the heartbeat: the shutdown is clean, so nothing in flight is suspect."""
        if self._connection is not None:
            try:
                progress.delete_heartbeat(self._connection, self._worker_id)
            except psycopg.Error as error:
                logger().warning("heartbeat not deleted at shutdown", error=error)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
