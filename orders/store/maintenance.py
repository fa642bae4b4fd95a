"""The upkeep of the orders database: partitions of the outbox and of request ids, and what stopped processes left."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from orders.store.queries import QUERIES
from runtime.postgres import partitions
from runtime.postgres.connections import connect_async
from runtime.postgres.partitions import Table
from runtime.postgres.pooler import Pooler
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

EVERY_SECONDS = 60.0
DAYS_AHEAD = 2
# For as long as that a repeated request_id is answered like the first one; told in the contract.
REQUEST_DAYS = 7

Connection = psycopg.AsyncConnection[Any]


def tables(outbox_retention_days: int) -> list[Table]:
    """Return the tables that are partitioned by time."""
    return [
        Table("event_outbox", DAYS_AHEAD, outbox_retention_days),
        Table("order_request", DAYS_AHEAD, REQUEST_DAYS),
        Table("idempotency_request", DAYS_AHEAD, REQUEST_DAYS),
    ]


async def keep_house(dsn: str, outbox_retention_days: int, pooler: Pooler) -> None:
    """Do what is due now and every minute, until cancelled; on a connection of its own, since it may wait for locks."""
    outage = Outage("housekeeping")
    while True:
        try:
            async with await connect_async(dsn, "ordermesh-housekeeping", pooler) as connection:
                await run_once(connection, outbox_retention_days)
            outage.ends()
        except psycopg.Error as error:
            outage.begins(error)
        await asyncio.sleep(EVERY_SECONDS)


async def run_once(connection: Connection, outbox_retention_days: int) -> list[str]:
    """Do what is due; return which partitions were made and dropped. Raises psycopg.Error."""
    changes: list[str] = []
    for table in tables(outbox_retention_days):
        async for change in partitions.maintain_async(connection, table):
            logger().info("partition changed", change=change)
            changes.append(change)
        metrics.ORDERS_MAINTENANCE.labels(table.name).set_to_current_time()
    await connection.execute(QUERIES.fold_progress)
    return changes
