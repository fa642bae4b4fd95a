"""The shards that a transaction of the publisher has locked, and its progress on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orders.outbox.unsent_event import UnsentEvent


@dataclass(frozen=True, slots=True)
class Claim:
    """The shards that a transaction locked, with the floor of each, and those of them that have DEAD events."""

    shards: list[int]
    floors: list[int]
    with_dead: list[int]


class Round:
    """The state of one transaction: the current batch, and the newest event read of each shard."""

    def __init__(self, claim: Claim, events: list[UnsentEvent]) -> None:
        self._claim = claim
        self.events: list[UnsentEvent] = []
        self.newest: dict[int, int] = {}
        self.read = self.sent = 0
        self.dead_keys: set[str] = set()
        # Of the last batch: the age of its events when Kafka acknowledged them.
        self.p50_ms = self.p99_ms = 0.0
        self.next_batch(events)

    def next_batch(self, events: list[UnsentEvent], unsent: Sequence[UnsentEvent] = ()) -> None:
        """Begin the next batch: events that were read before and not sent, then those read last."""
        self.read += len(events)
        self.newest |= {event.shard: event.id for event in events}
        self.events = [*unsent, *events] if unsent else events
        if self.dead_keys:
            self.events = [event for event in self.events if event.key not in self.dead_keys]

    def unread(self) -> Claim:
        """Return the claim with the events that were not read yet."""
        floors = [
            self.newest.get(shard, floor) for shard, floor in zip(self._claim.shards, self._claim.floors, strict=True)
        ]
        return replace(self._claim, floors=floors)
