"""Maintains the analytics database: partitions of processed_events, the sums of the ledgers, expired rows."""

from __future__ import annotations

import contextlib
import threading

import psycopg

from processor import topic_retention
from processor.consume import poison_pills
from processor.settings import WorkSettings
from runtime.postgres import partitions
from runtime.postgres.connection_types import Connection
from runtime.postgres.connections import connect
from runtime.postgres.partitions import Table
from runtime.postgres.queries import Queries
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics import servers
from runtime.telemetry.outage import Outage

SQL = Queries("processor", "maintenance.sql")
EVERY_SECONDS = 60.0
DAYS_AHEAD = 3


def run(settings: WorkSettings, stop: threading.Event) -> None:
    """Run the job once a minute until `stop`; what fails is retried with the next run."""
    topic_retention.warn_of_longer_topics(settings)
    outage = Outage("maintenance")
    while True:
        try:
            run_once(settings)
            outage.ends()
        except psycopg.Error as error:
            outage.begins(error)
        if stop.wait(EVERY_SECONDS):
            return


def run_once(settings: WorkSettings) -> list[str]:
    """Run the job; return which partitions were created and dropped. Raises psycopg.Error."""
    # One day more than workers accept: no event is added to a partition while its sums are being kept.
    tables = (
        Table("processed_events", DAYS_AHEAD, settings.processor_retention_days + 1),
        Table("audit_log", DAYS_AHEAD, settings.audit_retention_days),
    )
    changes = []
    with connect(
        settings.analytics_dsn.get_secret_value(), "ordermesh-maintenance", settings.postgres_pooler
    ) as connection:
        for table in tables:
            servers.RETENTION.labels("analytics", table.name).set(table.retention_seconds)
            # The session of a worker that was killed may be at it still.
            with contextlib.suppress(psycopg.errors.ObjectInUse):
                for change in partitions.maintain(connection, table):
                    logger().info("partition changed", change=change)
                    changes.append(change)
                metrics.ANALYTICS_MAINTENANCE.labels(table.name).set_to_current_time()
        connection.execute(SQL.fold_ledgers)
        connection.execute(SQL.compare_metric_days)
        delete_expired(connection, settings.processor_retention_days)
    return changes


def delete_expired(connection: Connection, retention_days: int) -> None:
    """Delete the rows from before the retention."""
    retention = {"retention_days": retention_days}
    while connection.execute(SQL.delete_done_dead_letters, retention).rowcount:
        pass
    connection.execute(SQL.delete_old_heartbeats, retention)
    poison_pills.delete_old_crashes(connection, retention_days)
