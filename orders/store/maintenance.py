"""Maintenance of the orders database: partitions, counts of stopped processes, and the sums of the ledgers."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg

from orders.store.queries import QUERIES
from runtime.postgres import partitions
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.connections import connect_async
from runtime.postgres.partitions import Table
from runtime.postgres.pooler import Pooler
from runtime.postgres.retention import RetentionSettings
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics import servers
from runtime.telemetry.outage import Outage

INTERVAL_SECONDS = 60.0
DAYS_AHEAD = 2
# How long an idempotency key is kept, as documented in the contract.
IDEMPOTENCY_KEY_DAYS = 7


def tables(retention: RetentionSettings) -> list[Table]:
    """Return the tables that are partitioned by time."""
    return [
        Table("event_outbox", DAYS_AHEAD, retention.outbox_retention_days),
        Table("order_request", DAYS_AHEAD, IDEMPOTENCY_KEY_DAYS),
        Table("idempotency_request", DAYS_AHEAD, IDEMPOTENCY_KEY_DAYS),
        Table("audit_log", DAYS_AHEAD, retention.audit_retention_days),
    ]


async def maintain_partitions(dsn: str, retention: RetentionSettings, pooler: Pooler) -> None:
    """Run maintenance now and every minute until cancelled, on its own connection, because it may wait for locks."""
    outage = Outage("partition maintenance")
    while True:
        try:
            async with await connect_async(dsn, "ordermesh-maintenance", pooler) as connection:
                await run_once(connection, retention)
            outage.ends()
        except psycopg.Error as error:
            outage.begins(error)
        await asyncio.sleep(INTERVAL_SECONDS)


async def run_once(connection: AsyncConnection, retention: RetentionSettings) -> list[str]:
    """Run maintenance once; return the created ("+name") and dropped ("-name") partitions. Raises psycopg.Error."""
    changes: list[str] = []
    for table in tables(retention):
        servers.RETENTION.labels("orders", table.name).set(table.retention_seconds)
        # Another process that is at it reports whether it succeeds.
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            async for change in partitions.maintain_async(connection, table):
                logger().info("partition changed", change=change)
                changes.append(change)
            metrics.ORDERS_MAINTENANCE.labels(table.name).set_to_current_time()
    await connection.execute(QUERIES.merge_old_progress)
    await connection.execute(QUERIES.fold_ledgers)
    return changes
