"""Reads values of a database for the metrics: at an interval, on a connection of its own, within a limited time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from runtime.postgres.connections import connect
from runtime.postgres.pooler import Pooler
from runtime.postgres.queries import Queries
from runtime.telemetry.metrics import servers
from runtime.telemetry.metrics.component_metric import Labels, ReadMetric
from runtime.telemetry.metrics.readings import READINGS
from runtime.telemetry.outage import Outage

SQL = Queries("runtime.postgres", "readings.sql")
APPLICATION = "ordermesh-metrics"
STATEMENT_TIMEOUT_MS = 2_000
# A reading holds until the third after it should have come.
VALID_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Queries that are run together; each returns rows of the labels of its metric, without `database`, and a value."""

    name: str
    every_seconds: float
    queries: Mapping[ReadMetric, LiteralString]
    parameters: Mapping[str, Any] | None = None


SERVER = Source(
    "server",
    10.0,
    {
        servers.POSTGRES_CONNECTIONS: SQL.connections,
        servers.POSTGRES_MAX_CONNECTIONS: SQL.max_connections,
        servers.POSTGRES_OLDEST_TRANSACTION: SQL.oldest_transaction_age,
        servers.POSTGRES_TRANSACTIONS: SQL.transactions,
        servers.POSTGRES_DEADLOCKS: SQL.deadlocks,
        servers.POSTGRES_BLOCKS: SQL.blocks,
    },
)
# Sizes are asked of the file system.
TABLES = Source(
    "tables",
    60.0,
    {
        servers.POSTGRES_DATABASE_BYTES: SQL.database_bytes,
        servers.TABLE_BYTES: SQL.table_bytes,
        servers.TABLE_OLDEST: SQL.oldest_partitions,
    },
)


class DatabaseReader:
    """Reads the sources of one database, each at its interval; used by one thread."""

    def __init__(self, dsn: str, database: str, pooler: Pooler, sources: Sequence[Source]) -> None:
        """`database` is the value of the label of this name."""
        self._dsn, self._database, self._pooler = dsn, database, pooler
        self._sources = sources
        # By the monotonic clock.
        self._due = {source.name: 0.0 for source in sources}
        self._outage = Outage("reading metrics of the database")

    def start(self, stop: threading.Event) -> None:
        """Read in a thread until `stop`; values that cannot be read vanish, and are read again later."""

        def run() -> None:
            while not stop.is_set():
                try:
                    self.read_due()
                    self._outage.ends()
                except psycopg.Error as error:
                    self._outage.begins(error)
                stop.wait(min(source.every_seconds for source in self._sources))

        threading.Thread(target=run, name="database-readings", daemon=True).start()

    def read_due(self) -> None:
        """Read the sources that are due, on one connection. Raises psycopg.Error."""
        started = time.monotonic()
        due = [source for source in self._sources if self._due[source.name] <= started]
        if not due:
            return
        with connect(self._dsn, APPLICATION, self._pooler, statement_timeout_ms=STATEMENT_TIMEOUT_MS) as connection:
            for source in due:
                found = {
                    metric: self._values(metric, connection.execute(query, source.parameters).fetchall())
                    for metric, query in source.queries.items()
                }
                READINGS.put(source.name, found, VALID_INTERVALS * source.every_seconds)
                self._due[source.name] = started + source.every_seconds

    def _values(self, metric: ReadMetric, rows: Sequence[tuple[Any, ...]]) -> dict[Labels, float]:
        of_database = metric.specification.labels[:1] == ("database",)
        first = (self._database,) if of_database else ()
        return {(*first, *map(str, row[:-1])): float(row[-1]) for row in rows}
