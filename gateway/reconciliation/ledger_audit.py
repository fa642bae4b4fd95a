"""The audit of both databases: each compares its ledgers with its rows, and tells how far it has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import MINUTE, AuditedDay, LedgerDifference

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.errors import requests_to
from gateway.backends.orders import OrdersBackend


@dataclass(frozen=True)
class WrongLedger:
    """What differs between a ledger and its rows, and in which database."""

    database: str
    difference: LedgerDifference


@dataclass
class AuditProgress:
    """The days of each database that were recomputed, of all its days, and the rows that were read."""

    done: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    rows: int = 0

    def note(self, database: str, day: AuditedDay) -> None:
        """Note a day."""
        self.done[database], self.days[database] = day.number, day.days
        self.rows += day.rows

    def message(self) -> ReconcileResponse.Audit:
        """Return the progress as a message."""
        return ReconcileResponse.Audit(days_done=sum(self.done.values()), days=sum(self.days.values()), rows=self.rows)


async def wrong_ledgers(
    orders: OrdersBackend, analytics: AnalyticsBackend, progress: AuditProgress
) -> list[WrongLedger]:
    """Let both databases compare all their ledgers, and return what differs."""
    found = await asyncio.gather(
        audited("orders", orders.audit(), progress), audited("analytics", analytics.audit(), progress)
    )
    return [one for of_database in found for one in of_database]


async def audited(database: str, days: AsyncIterator[AuditedDay], progress: AuditProgress) -> list[WrongLedger]:
    """Return what differs in one database."""
    found = []
    with requests_to(database):
        async for day in days:
            progress.note(database, day)
            found += [WrongLedger(database, one) for one in day.differences]
    return found


def minutes_of(wrong: Iterable[WrongLedger], ledger: LedgerDifference.Ledger) -> list[int]:
    """Return the minutes of a ledger that differ in any database, oldest first."""
    differences = (one.difference for one in wrong)
    return sorted({one.start_time.seconds for one in differences if one.ledger == ledger and one.period == MINUTE})
