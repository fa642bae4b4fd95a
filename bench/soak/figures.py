"""What a stack holds at a moment: rows and bytes of its tables, memory of its processes, bytes of its logs."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runtime.postgres.queries import Queries
from stack.processes import proc
from stack.running_stack import RunningStack

SQL = Queries("bench.soak", "soak.sql")
PARTS = ("postgres", "kafka", "orders", "publisher", "processor", "analytics", "gateway", "envoy")
MIB = 1024 * 1024


def figures(stack: RunningStack) -> dict[str, Any]:
    """Return all figures of a stack."""
    return {
        "tables": {name: of for database in ("orders", "analytics") for name, of in tables(stack, database).items()},
        "memory_mib": {part: round(memory_bytes(stack, part) / MIB, 1) for part in PARTS},
        "kafka_log_mib": round(folder_bytes(stack.stack.state.kafka) / MIB, 1),
        "log_files_mib": round(folder_bytes(stack.stack.state.logs) / MIB, 1),
    }


def tables(stack: RunningStack, database: str) -> dict[str, dict[str, int]]:
    """Return rows, bytes, dead rows and partitions of each table, its partitions added up."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    dsn = make_conninfo(stack.context.admin_dsn, dbname=database)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table, part, is_partition, size_bytes, dead in connection.execute(SQL.tables).fetchall():
            count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(part))).fetchone()
            rows = count[0] if count else 0
            found[table].update(rows=rows, bytes=size_bytes, dead_rows=dead, partitions=int(is_partition))
            found[table].update(in_default=rows if part.endswith("_default") else 0)
    return {table: dict(counts) for table, counts in found.items()}


def memory_bytes(stack: RunningStack, part: str) -> int:
    """Return the proportional memory of a part's processes."""
    first = stack.pid(part)
    return sum(pss_bytes(pid) for pid in (first, *proc.descendants(first)))


def pss_bytes(pid: int) -> int:
    """Return the proportional share of a process, 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def folder_bytes(folder: Path) -> int:
    """Return what the files below a folder take on the disk."""
    found: dict[str, int] = defaultdict(int)
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found[path] += (Path(path) / name).stat().st_blocks * 512
            except OSError:
                continue
    return sum(found.values())
