"""The cost of checking that a request_id is new, in one table or in partitions: `python -m bench.request_ids`."""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from runtime.postgres.connections import connect
from runtime.postgres.queries import Queries
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.runners import running
from stack.servers.postgres import Postgres

SQL = Queries("bench", "request_ids.sql")
ROWS, BATCH, BATCHES, ROUNDS = 700_000, 20, 100, 12
# Number of partitions for the past seven days, in addition to the current one and the next.
LAYOUTS = {"one table": 0, "partitions of a day": 7, "three partitions": 3, "partitions of seven days": 1}


@contextlib.contextmanager
def database() -> Iterator[psycopg.Connection[Any]]:
    """Run PostgreSQL and yield a connection with the options of a writer."""
    with (
        temporary_home() as home,
        running(Postgres.alone(StateFolder(home))) as server,
        connect(server.admin_dsn, "bench", statement_timeout_ms=0, hot=True) as connection,
    ):
        yield connection


def query(name: str, **values: Any) -> sql.Composed:
    """Return a query with values inserted: strings as identifiers, numbers as literals."""
    literals = {
        key: sql.Identifier(value) if isinstance(value, str) else sql.Literal(value) for key, value in values.items()
    }
    return sql.SQL(getattr(SQL, name)).format(**literals)


def fill(connection: psycopg.Connection[Any]) -> dict[str, sql.Composed]:
    """Create and fill the tables; return the claiming statement for each layout."""
    connection.execute(SQL.request)
    connection.execute(SQL.plain)
    connection.execute(query("fill", table="request_plain", day=0, rows=ROWS))
    statements = {"one table": query("claim", table="request_plain")}
    for way, parts in LAYOUTS.items():
        if parts:
            table = f"request_{parts}"
            connection.execute(query("partitioned", table=table))
            for day in range(parts + 2):
                connection.execute(query("partition", part=f"{table}_{day}", table=table, day=day, end_day=day + 1))
            for day in range(parts):
                connection.execute(query("fill", table=table, day=day, rows=ROWS // parts))
            statements[way] = query("look_and_claim", table=table, day=parts)
    connection.execute("VACUUM ANALYZE")
    return statements


def cpu_us(pid: int) -> float:
    """Return the CPU time of a process in microseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def measure(connection: psycopg.Connection[Any], statement: sql.Composed) -> float:
    """Return the CPU time of the backend in µs per request, for new requests."""
    batches = [
        {
            "customer_ids": [f"cust-{random.randrange(5000)}" for _ in range(BATCH)],
            "request_ids": [str(uuid.uuid4()) for _ in range(BATCH)],
            "fingerprints": [os.urandom(16)] * BATCH,
            "order_ids": [uuid.uuid4() for _ in range(BATCH)],
        }
        for _ in range(BATCHES)
    ]
    before = cpu_us(connection.info.backend_pid)
    for batch in batches:
        connection.execute(statement, batch)
    return (cpu_us(connection.info.backend_pid) - before) / BATCHES / BATCH


def deletion(connection: psycopg.Connection[Any]) -> float:
    """Return the CPU time of the backend in µs per deleted row, including vacuum."""
    before, deleted = cpu_us(connection.info.backend_pid), 0
    for _ in range(20):
        deleted += connection.execute(SQL.forget).rowcount
    connection.execute("VACUUM request_plain")
    return (cpu_us(connection.info.backend_pid) - before) / deleted


def main() -> Sequence[str]:
    """Measure the layouts in turn, in several rounds, and return the lines of a table."""
    with database() as connection:
        statements = fill(connection)
        runs: dict[str, list[float]] = {way: [] for way in statements}
        # The first round is the warm-up.
        for _ in range(1 + ROUNDS):
            for way, statement in statements.items():
                runs[way].append(measure(connection, statement))
        base = statistics.median(runs["one table"][1:])
        lines = ["| | CPU µs per request | ratio to one table |", "|---|---|---|"]
        for way, found in runs.items():
            median = statistics.median(found[1:])
            lines.append(f"| {way} | {median:.1f} | {median / base:.2f} |")
        lines.append(f"| delete a row of one table | {deletion(connection):.1f} | |")
    return lines


if __name__ == "__main__":
    print("\n".join(main()))
    sys.exit(0)
