"""Reads the audit log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from runtime.audit.entries import SQL
from runtime.postgres.connections import connect
from runtime.postgres.pooler import Pooler

APPLICATION = "ordermesh-audit"
# Works with every pooler.
POOLER: Pooler = "transaction"


class Entry(NamedTuple):
    """A row of the audit log."""

    id: int
    at: datetime
    role: str
    subject: str
    client_address: str
    request_id: str
    trace_id: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Selects entries; None matches all."""

    since: datetime
    subject: str | None = None
    action: str | None = None


def read_entries(dsn: str, matching: EntryFilter, limit: int) -> list[Entry]:
    """Return the latest entries that match, the earliest first. Raises psycopg.Error."""
    with connect(dsn, APPLICATION, POOLER) as connection:
        rows = connection.execute(SQL.read_entries, {**asdict(matching), "limit": limit}).fetchall()
    return [Entry(*row) for row in reversed(rows)]
