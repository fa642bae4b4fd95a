"""What a reconciliation has read, and what differs between published and counted events; pure, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from gateway.backends.ledger import EMPTY_MINUTE, NO_IDS, Ids, Ledger, Minute

Finding = ReconcileResponse.Finding


@dataclass
class Evidence:
    """Everything that was read for a verdict."""

    published: Ledger
    counted: Ledger
    # The first minute that is compared, 0 if all minutes are.
    coverage_start: int = 0
    pending: int = 0
    dead: Ids = NO_IDS
    dead_letters: int = 0
    missing: dict[int, Ids] = field(default_factory=dict)
    phantoms: dict[int, Ids] = field(default_factory=dict)
    # Records between what is counted and the end of the log, when the waiting ended.
    lag: int = 0
    metrics: list[Finding] = field(default_factory=list)

    def note_ids(self, minute: int, published: set[bytes], counted: set[bytes], dead_letters: set[bytes]) -> set[bytes]:
        """Note which events of a minute are missing, and return those that are counted but not published."""
        if missing := published - counted - dead_letters:
            self.missing[minute] = Ids.of(missing)
        return counted - published

    def note_phantoms(self, minute: int, phantoms: set[bytes]) -> None:
        """Note the events of a minute that the orders database does not know."""
        if phantoms:
            self.phantoms[minute] = Ids.of(phantoms)

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
        """Return the number of events in flight."""
        return self.pending + (0 if self.lost else self.missing_count)

    @property
    def complete(self) -> bool:
        """Return whether both sides should be equal: no event is pending, dead, a dead letter, missing or a phantom."""
        return not (self.pending or self.dead.count or self.dead_letters or self.missing or self.phantoms)


def from_minute(minutes: Ledger, first: int) -> dict[int, Minute]:
    """Return the minutes from the first one that is compared."""
    return {minute: sums for minute, sums in minutes.items() if minute >= first}


def differing_minutes(published: Ledger, counted: Ledger) -> list[int]:
    """Return the minutes whose event ids differ, oldest first."""
    return [minute for minute in sorted({*published, *counted}) if not same_ids(published, counted, minute)]


def same_ids(published: Ledger, counted: Ledger, minute: int) -> bool:
    """Return whether a minute has the same event ids on both sides, by digest and count."""
    left, right = published.get(minute, EMPTY_MINUTE), counted.get(minute, EMPTY_MINUTE)
    return left.digest == right.digest and left.events == right.events
