"""The job `forget-old-requests`: request ids are kept for seven days."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from orders.sql import QUERIES
from runtime.logging import logger

EVERY_SECONDS = 60.0


async def forget_old_requests(pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
    """Delete old request ids some at a time, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            async with pool.connection() as connection:
                deleted = (await connection.execute(QUERIES.forget_requests)).rowcount
                deleted += (await connection.execute(QUERIES.forget_answers)).rowcount
            if deleted:
                logger().info("old request ids forgotten", deleted=deleted)
        except psycopg.Error as error:
            logger().warning("old request ids not forgotten", error=str(error).strip())
