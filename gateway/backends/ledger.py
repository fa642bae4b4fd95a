"""The ledgers that the services return: events by minute, in sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1.ledger_pb2 import MinuteSum

MAX_EVENT_IDS = 100
ID_BYTES = 16


@dataclass(frozen=True)
class Minute:
    """The sums of the events of one minute; minutes with equal digests and counts hold the same event ids."""

    # The event types of the minute, with their counts.
    types: frozenset[tuple[int, int]] = frozenset()
    revenue_minor: int = 0
    units: int = 0
    digest: int = 0

    @property
    def events(self) -> int:
        """Return the number of events."""
        return sum(count for _, count in self.types)

    @property
    def orders(self) -> int:
        """Return the number of accepted orders."""
        return sum(count for kind, count in self.types if kind == ORDER_CREATED)


EMPTY_MINUTE = Minute()
# By the start of the minute, in seconds since 1970.
Ledger = Mapping[int, Minute]


@dataclass(frozen=True)
class Ids:
    """A number of events, and the ids of the first of them."""

    count: int
    first: tuple[str, ...]

    @classmethod
    def of(cls, event_ids: Iterable[bytes]) -> Ids:
        """Count these ids and keep the first, in order."""
        ordered = sorted(event_ids)
        return cls(len(ordered), tuple(str(UUID(bytes=event_id)) for event_id in ordered[:MAX_EVENT_IDS]))


NO_IDS = Ids(0, ())


@dataclass(frozen=True)
class OrderLedger:
    """One snapshot of the orders database: published events by minute, pending and dead ones."""

    pending: int
    dead: Ids
    minutes: Ledger
    # Events of earlier minutes may be deleted from the outbox.
    coverage_start: int = 0


@dataclass(frozen=True)
class AnalyticsLedger:
    """One snapshot of the analytics database: counted events by minute, and the number of dead letters."""

    dead_letters: int
    minutes: Ledger
    # Events of earlier minutes may be deleted from the counted events.
    coverage_start: int = 0


def by_minute(sums: Iterable[MinuteSum]) -> dict[int, Minute]:
    """Return the sums of a ledger by minute."""
    return {
        one.start_time.seconds: Minute(
            frozenset((kind.type, kind.events) for kind in one.types if kind.events),
            one.revenue_minor,
            one.units,
            one.digest,
        )
        for one in sums
    }


def split_ids(packed: bytes) -> Iterable[bytes]:
    """Return the ids of a field in which they are concatenated."""
    return (packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES))
