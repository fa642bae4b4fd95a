"""The ledgers that the services return: events and orders by period, in sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1.ledger_pb2 import EventSum, OrderState, OrderSum

MAX_IDS = 100
ID_BYTES = 16
DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
# The first time that a google.protobuf.Timestamp can have: no event may be that old, and one that is must be found.
FIRST_SECONDS = -62_135_596_800


@dataclass(frozen=True)
class EventSums:
    """The sums of the events of one period; with equal digests and counts they are the same events."""

    # The event types of the period, with their counts.
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


NO_EVENTS = EventSums()
# By the start of the period, in seconds since 1970.
Events = Mapping[int, EventSums]
# The orders of one period: status, orders, total_minor and digest, for each status.
OrderSums = frozenset[tuple[int, int, int, int]]
NO_ORDERS: OrderSums = frozenset()
Orders = Mapping[int, OrderSums]
# By order id: status, total_minor, and whether an event of the order is not published.
OrderStates = Mapping[bytes, tuple[int, int, bool]]


@dataclass(frozen=True)
class Ids:
    """A number of events or orders, and the ids of the first of them."""

    count: int
    first: tuple[str, ...]

    @classmethod
    def of(cls, ids: Iterable[bytes]) -> Ids:
        """Count these ids and keep the first, in order."""
        ordered = sorted(ids)
        return cls(len(ordered), tuple(str(UUID(bytes=one)) for one in ordered[:MAX_IDS]))


NO_IDS = Ids(0, ())


@dataclass(frozen=True)
class OrderLedger:
    """One snapshot of the orders database: published events and orders by period, and events that are not published."""

    pending: int
    dead: Ids
    discarded: int
    events: Events
    orders: Orders
    # The minutes in which orders with pending events were accepted.
    pending_minutes: frozenset[int] = frozenset()
    # The ledger has every event from this time on, and the ids of all from the second; 0 for since ever.
    coverage_start: int = 0
    ids_start: int = 0
    # Where it ends, in seconds since 1970; None for no end.
    end: int | None = None


@dataclass(frozen=True)
class AnalyticsLedger:
    """One snapshot of the analytics database: counted events and their orders by period, and dead letters."""

    dead_letters: int
    dead_letter_orders: frozenset[bytes]
    events: Events
    orders: Orders
    discarded: int = 0
    coverage_start: int = 0
    ids_start: int = 0


def event_sums(sums: Iterable[EventSum]) -> dict[int, EventSums]:
    """Return the sums of events by period."""
    return {
        one.start_time.seconds: EventSums(
            frozenset((kind.type, kind.events) for kind in one.types if kind.events),
            one.revenue_minor,
            one.units,
            one.digest,
        )
        for one in sums
    }


def order_sums(sums: Iterable[OrderSum]) -> dict[int, OrderSums]:
    """Return the sums of orders by period."""
    return {
        one.start_time.seconds: frozenset(
            (each.status, each.orders, each.total_minor, each.digest) for each in one.statuses
        )
        for one in sums
    }


def order_states(states: Iterable[OrderState]) -> dict[bytes, tuple[int, int, bool]]:
    """Return orders by id."""
    return {one.order_id: (one.status, one.total_minor, one.has_unpublished_events) for one in states}


def split_ids(packed: bytes) -> Iterable[bytes]:
    """Return the ids of a field in which they are concatenated."""
    return (packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES))
