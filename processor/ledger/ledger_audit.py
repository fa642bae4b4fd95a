"""Recomputes the ledgers of the analytics database from the counted events: each hour in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from ordermesh.internal.v1.ledger_pb2 import AuditedDay, LedgerDifference

from runtime.ledger_audit import numbered
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.ledger", "audit.sql")


def audited_days(snapshot: Callable[[], AbstractContextManager[Connection]], since: int) -> Iterator[AuditedDay]:
    """Yield each day with what differs; of days before a time, events are not held any more."""
    with snapshot() as connection:
        days = numbered(connection.execute(SQL.held_days).fetchall())
    for day in days:
        for hour in day.hours() if day.start >= since else ():
            with snapshot() as connection:
                day.note(LedgerDifference.EVENTS, connection.execute(SQL.event_minutes, hour).fetchall())
                day.note(LedgerDifference.ORDERS, connection.execute(SQL.order_minutes, hour).fetchall())
        with snapshot() as connection:
            day.note_day(connection.execute(SQL.day_sums, {"day": day.start}).fetchall())
        yield day.message()
