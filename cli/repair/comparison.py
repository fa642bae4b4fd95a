"""Compares both databases by id, where a reconciliation found that their sums differ."""

from __future__ import annotations

from dataclasses import dataclass, field

from orders.repair import published
from processor.repair import counted
from runtime.postgres.connection_types import Connection

DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
# Before and after any time that an event may have.
FIRST_SECONDS, LAST_SECONDS = -62_135_596_800, 253_402_300_800
# By the start of a period: number and digest of the events.
Sums = dict[int, tuple[int, int]]


@dataclass
class MinuteDifference:
    """What differs in a minute: lost events, phantoms, and events that are counted with other sums."""

    lost: set[str] = field(default_factory=set)
    phantoms: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)


def compare_minute(orders: Connection, analytics: Connection, minute: int) -> MinuteDifference:
    """Compare the events of a minute of which the outbox holds all.

    Both are read in this order under traffic: what is published first may be counted after, and an event that is
    counted was in the outbox before.
    """
    sent = published.published_events(orders, minute)
    found = counted.counted_events(analytics, minute)
    known = published.known_events(orders, found.events.keys() - sent.keys())
    return MinuteDifference(
        lost=sent.keys() - found.events.keys() - found.dead_letters,
        phantoms=found.events.keys() - sent.keys() - known,
        altered={one for one in sent.keys() & found.events.keys() if sent[one] != found.events[one]},
    )
