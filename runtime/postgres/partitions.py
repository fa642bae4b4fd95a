"""The upkeep of tables that are partitioned by time: partitions made ahead, those past the retention dropped.

The work is done in the database, by `maintain_partition` of runtime/migrations, one step in a transaction at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

STEP = "SELECT maintain_partition(%(name)s, %(days_ahead)s, %(retention_days)s)"
# The sums of a day of many events are kept before it is dropped, and locks are waited for with pauses.
PATIENCE = "SET LOCAL statement_timeout = '600s'"


@dataclass(frozen=True, slots=True)
class Table:
    """A table and how it is kept: partitions so many days ahead, days that are older than the retention dropped."""

    name: str
    days_ahead: int
    retention_days: int

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of a step."""
        return {"name": self.name, "days_ahead": self.days_ahead, "retention_days": self.retention_days}


def maintain(connection: psycopg.Connection[Any], table: Table) -> Iterator[str]:
    """Do what is to be done, yielding each partition that was made, as "+name", or dropped, as "-name".

    Raises psycopg.Error: steps before it are done.
    """
    while True:
        with connection.transaction():
            connection.execute(PATIENCE)
            row = connection.execute(STEP, table.parameters).fetchone()
        if row is None or row[0] is None:
            return
        yield row[0]


async def maintain_async(connection: psycopg.AsyncConnection[Any], table: Table) -> AsyncIterator[str]:
    """Do the same on an asynchronous connection."""
    while True:
        async with connection.transaction():
            await connection.execute(PATIENCE)
            row = await (await connection.execute(STEP, table.parameters)).fetchone()
        if row is None or row[0] is None:
            return
        yield row[0]
