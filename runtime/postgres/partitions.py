"""Maintenance of tables partitioned by time: creates partitions ahead, drops those past the retention.

The database does the work, in `maintain_partition` of runtime/migrations, one step per transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from runtime.postgres.connection_types import AsyncConnection, Connection

STEP = "SELECT maintain_partition(%(name)s, %(days_ahead)s, %(retention_days)s)"
# Before a day is dropped its totals are stored, and lock attempts have pauses: a step can take minutes.
STEP_TIMEOUT = "SET LOCAL statement_timeout = '600s'"


@dataclass(frozen=True, slots=True)
class Table:
    """A partitioned table: for how many days partitions are created ahead, and its retention."""

    name: str
    days_ahead: int
    retention_days: int

    @property
    def retention_seconds(self) -> int:
        """The retention in seconds."""
        return self.retention_days * 24 * 60 * 60

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of STEP."""
        return {"name": self.name, "days_ahead": self.days_ahead, "retention_days": self.retention_days}


def maintain(connection: Connection, table: Table) -> Iterator[str]:
    """Run all steps that are due; yield each created partition as "+name" and each dropped one as "-name".

    Raises psycopg.Error, of which ObjectInUse says that another session is at it; the steps before it stay committed.
    """
    while True:
        with connection.transaction():
            connection.execute(STEP_TIMEOUT)
            row = connection.execute(STEP, table.parameters).fetchone()
        if row is None or row[0] is None:
            return
        yield row[0]


async def maintain_async(connection: AsyncConnection, table: Table) -> AsyncIterator[str]:
    """Do the same as `maintain` on an asynchronous connection."""
    while True:
        async with connection.transaction():
            await connection.execute(STEP_TIMEOUT)
            row = await (await connection.execute(STEP, table.parameters)).fetchone()
        if row is None or row[0] is None:
            return
        yield row[0]
