"""What a reconciliation has read, and what differs between published and counted events; pure, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar

from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from gateway.backends.ledger import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    NO_EVENTS,
    NO_IDS,
    AnalyticsLedger,
    Events,
    EventSums,
    Ids,
    OrderLedger,
    OrderStates,
)
from gateway.reconciliation.ledger_audit import WrongLedger

Finding = ReconcileResponse.Finding
Sums = TypeVar("Sums")


@dataclass
class Evidence:
    """Everything that was read for a verdict."""

    # The ledgers by day.
    published: OrderLedger
    counted: AnalyticsLedger
    # Minutes whose events have equal ids, or ids that are no longer held, but different sums.
    minutes: dict[int, tuple[EventSums, EventSums]] = field(default_factory=dict)
    missing: dict[int, Ids] = field(default_factory=dict)
    phantoms: dict[int, Ids] = field(default_factory=dict)
    # Orders that differ, by the minute in which they were accepted; without ids where events are no longer held.
    orders: dict[int, Ids] = field(default_factory=dict)
    # Orders that are not counted, since their events are dead letters.
    uncounted: set[bytes] = field(default_factory=set)
    # Records between what is counted and the end of the log, when the waiting ended.
    lag: int = 0
    metrics: list[Finding] = field(default_factory=list)
    wrong_ledgers: Sequence[WrongLedger] = ()

    @property
    def coverage_start(self) -> int:
        """Return from when on both ledgers are complete, in seconds since 1970; 0 for since ever."""
        return max(self.published.coverage_start, self.counted.coverage_start)

    def end_of(self, day: int) -> int:
        """Return where the comparison of a day ends."""
        end = self.published.end
        return day + DAY_SECONDS if end is None else min(day + DAY_SECONDS, end)

    @property
    def discarded(self) -> int:
        """Return how many events an operator discarded, unpublished or as dead letters."""
        return self.published.discarded + self.counted.discarded

    @property
    def ids_start(self) -> int:
        """Return from when on both databases hold every event, in seconds since 1970; 0 for since ever."""
        return max(self.published.ids_start, self.counted.ids_start)

    def note_ids(self, minute: int, published: set[bytes], counted: set[bytes], dead_letters: set[bytes]) -> set[bytes]:
        """Note which events of a minute are missing, and return those that are counted but not published."""
        if missing := published - counted - dead_letters:
            self.missing[minute] = Ids.of(missing)
        return counted - published

    def note_phantoms(self, minute: int, phantoms: set[bytes]) -> None:
        """Note the events of a minute that the orders database does not know."""
        if phantoms:
            self.phantoms[minute] = Ids.of(phantoms)

    def holds_ids(self, minute: int, published: EventSums) -> bool:
        """Return whether the ids of a minute can be compared: both databases hold them, or one never had any."""
        return minute >= self.counted.ids_start and (minute >= self.published.ids_start or published == NO_EVENTS)

    def note_old_events(self, minute: int, published: EventSums, counted: EventSums, dead_letters: Set[bytes]) -> None:
        """Note a minute whose sums differ and whose ids are no longer held, unless dead letters explain it."""
        of_minute = sum(minute <= int.from_bytes(each[:6]) // 1000 < minute + MINUTE_SECONDS for each in dead_letters)
        if not of_minute or published.events - counted.events != of_minute:
            self.minutes[minute] = published, counted

    def note_orders(self, minute: int, before: OrderStates, counted: OrderStates, after: OrderStates) -> bool:
        """Note which orders of a minute differ from what their events tell, and return whether any can differ.

        Orders that changed meanwhile, or whose events are not published, are not compared. Those with dead letters may
        differ.
        """
        wrong, explained = set(), bool(counted.keys() - before.keys())
        for order_id, state in before.items():
            if after.get(order_id) != state or state[2]:
                explained = True
            elif counted.get(order_id) == state:
                continue
            elif order_id not in self.counted.dead_letter_orders:
                wrong.add(order_id)
            else:
                explained = True
                if order_id not in counted:
                    self.uncounted.add(order_id)
        if wrong:
            self.orders[minute] = Ids.of(wrong)
        return explained or bool(wrong)

    def note_old_orders(self, minute: int, orders: OrderStates) -> None:
        """Note a minute whose sums differ and whose events are no longer held, unless some of them were not counted."""
        uncounted = {order_id for order_id, state in orders.items() if state[2]}
        if not uncounted and not self.counted.dead_letter_orders & orders.keys():
            self.orders[minute] = NO_IDS

    @property
    def missing_count(self) -> int:
        """Return the number of published events that are neither counted nor dead letters."""
        return sum(ids.count for ids in self.missing.values())

    @property
    def lost(self) -> bool:
        """Return whether missing events are lost: more are missing than are in flight."""
        return self.missing_count > self.lag

    @property
    def in_flight(self) -> int:
        """Return the number of events in flight: pending, or in the log and not counted yet."""
        return self.published.pending + (0 if self.lost else self.missing_count or self.lag)


def covered(sums: Mapping[int, Sums], start: int) -> dict[int, Sums]:
    """Return the sums of the periods from the first one that is compared."""
    return {period: each for period, each in sums.items() if not start or period >= start}


def differing(one: Mapping[int, Sums], other: Mapping[int, Sums], nothing: Sums) -> list[int]:
    """Return the periods whose sums differ, oldest first."""
    return [period for period in sorted({*one, *other}) if one.get(period, nothing) != other.get(period, nothing)]


def same_ids(published: Events, counted: Events, minute: int) -> bool:
    """Return whether a minute has the same event ids on both sides, by digest and count."""
    left, right = published.get(minute, NO_EVENTS), counted.get(minute, NO_EVENTS)
    return left.digest == right.digest and left.events == right.events


def unchanged(minutes: Set[int], one: Mapping[int, Sums], other: Mapping[int, Sums]) -> list[int]:
    """Return those of the minutes whose sums are the same in both, oldest first."""
    return [minute for minute in sorted(minutes) if one.get(minute) == other.get(minute)]
