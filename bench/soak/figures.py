"""The sizes of a running stack: rows and bytes of tables, memory of processes, bytes of logs."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.subjects import accounting
from runtime.postgres.queries import Queries
from stack.running_stack import RunningStack

SQL = Queries("bench.soak", "soak.sql")
COMPONENTS = ("postgres", "kafka", "orders", "publisher", "processor", "analytics", "gateway", "envoy")
MIB = 1024 * 1024


def figures(stack: RunningStack) -> dict[str, Any]:
    """Return all figures of a stack."""
    return {
        "tables": {name: of for database in ("orders", "analytics") for name, of in tables(stack, database).items()},
        "memory_mib": {name: round(memory_bytes(stack, name) / MIB, 1) for name in COMPONENTS},
        "kafka_log_mib": round(folder_bytes(stack.stack.state.kafka) / MIB, 1),
        "log_files_mib": round(folder_bytes(stack.stack.state.logs) / MIB, 1),
    }


def tables(stack: RunningStack, database: str) -> dict[str, dict[str, int]]:
    """Return rows, bytes, dead rows and partitions of each table, added up over its partitions."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    dsn = make_conninfo(stack.context.admin_dsn, dbname=database)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table, relation, is_partition, size_bytes, dead in connection.execute(SQL.tables).fetchall():
            count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(relation))).fetchone()
            rows = count[0] if count else 0
            found[table].update(rows=rows, bytes=size_bytes, dead_rows=dead, partitions=int(is_partition))
            found[table].update(in_default=rows if relation.endswith("_default") else 0)
    return {table: dict(counts) for table, counts in found.items()}


def memory_bytes(stack: RunningStack, component: str) -> int:
    """Return the proportional memory of the processes of a component in bytes."""
    return accounting.memory_bytes({component: [stack.pid(component)]})[component]


def folder_bytes(folder: Path) -> int:
    """Return the disk space of the files in a folder in bytes."""
    found: dict[str, int] = defaultdict(int)
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found[path] += (Path(path) / name).stat().st_blocks * 512
            except OSError:
                continue
    return sum(found.values())
