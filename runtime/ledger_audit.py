"""The audit of ledgers against rows, in both databases the same way: days, the hours of a day, and what differs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.ledger_pb2 import DAY, MINUTE, AuditedDay, LedgerDifference

from runtime.ledger_messages import END_SECONDS, ID_TIME_SHIFT, Row

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
MAX_DIFFERENCES = 1_000
ID_BITS = 128
Parameters = dict[str, Any]
Ledger = LedgerDifference.Ledger


@dataclass
class Day:
    """A day that is being recomputed, with what was found so far."""

    start: int
    number: int
    days: int
    rows: int = 0
    differences: list[LedgerDifference] = field(default_factory=list)

    def hours(self) -> Iterator[Parameters]:
        """Yield the parameters of the queries of each hour."""
        for start in range(self.start, min(self.start + DAY_SECONDS, END_SECONDS), HOUR_SECONDS):
            end = min(start + HOUR_SECONDS, END_SECONDS)
            yield {"start": start, "end": end, "first_id": first_id(start), "last_id": last_id(end)}

    def note(self, ledger: Ledger, rows: Iterable[Row]) -> None:
        """Note rows of (minute, number by the rows, number by the ledger, whether anything differs)."""
        for start, expected, actual, differs in rows:
            self.rows += expected
            if differs:
                self.add(
                    LedgerDifference(ledger=ledger, period=MINUTE, start_time=Timestamp(seconds=start)),
                    expected,
                    actual,
                )

    def note_day(self, rows: Iterable[Row]) -> None:
        """Note rows of (ledger, number by the minutes, number by the day, whether anything differs)."""
        for ledger, expected, actual, differs in rows:
            if differs:
                self.add(
                    LedgerDifference(ledger=ledger, period=DAY, start_time=Timestamp(seconds=self.start)),
                    expected,
                    actual,
                )

    def add(self, difference: LedgerDifference, expected: int, actual: int) -> None:
        """Add a difference, unless there are too many."""
        difference.expected, difference.actual = expected, actual
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(difference)

    def message(self) -> AuditedDay:
        """Return the day as a message."""
        return AuditedDay(
            start_time=Timestamp(seconds=self.start),
            number=self.number,
            days=self.days,
            rows=self.rows,
            differences=self.differences,
        )


def first_id(seconds: int) -> uuid.UUID:
    """Return the least id with a time from a second on."""
    return uuid.UUID(int=max(0, seconds) * 1000 << ID_TIME_SHIFT)


def last_id(end_seconds: int) -> uuid.UUID:
    """Return the greatest id with a time before a second; before the last that an id can have, the greatest at all."""
    end = max(0, end_seconds) * 1000 << ID_TIME_SHIFT
    return uuid.UUID(int=(1 << ID_BITS if end_seconds >= END_SECONDS else max(1, end)) - 1)


def numbered(starts: Iterable[Row]) -> list[Day]:
    """Return the days that begin at these seconds."""
    found = [start for (start,) in starts]
    return [Day(start, number, len(found)) for number, start in enumerate(found, 1)]
