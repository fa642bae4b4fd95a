"""Compares the orders of one run with those that are stored, which may be of other clients too. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ID_CHARACTERS = 36
# What two orders have in common when one is the other again: the customer and the value.
Content = tuple[str, int]


@dataclass
class OwnOrders:
    """What a run knows of its orders: ids of the acknowledged ones, and which of them took several attempts."""

    acknowledged: bytearray = field(default_factory=bytearray)
    retried: set[str] = field(default_factory=set)
    unanswered: Counter[Content] = field(default_factory=Counter)

    def ids(self) -> set[str]:
        """Return the ids of the acknowledged orders."""
        packed = self.acknowledged.decode("ascii", "replace")
        return {packed[at : at + ID_CHARACTERS] for at in range(0, len(packed), ID_CHARACTERS)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Own orders that are not stored, own orders that are stored again under another id, and orders of others."""

    missing: set[str]
    doubled: list[str]
    unanswered_stored: int
    others: int


def first_ms(ids: Iterable[str]) -> int:
    """Return when the first of some orders was accepted, in milliseconds: a UUIDv7 begins with it."""
    return int(min(ids).replace("-", "")[:12], 16)


def compare(own: OwnOrders, stored: Mapping[str, Content]) -> Comparison:
    """Compare with the stored orders of the run's time.

    An order of somebody else that has the content of one of ours, which took several attempts, is ours stored twice;
    unless orders that took only one have their like too: then another client sends the same orders.
    """
    ids = own.ids()
    contents = {content: order_id for order_id, content in stored.items() if order_id in ids}
    foreign = {order_id: content for order_id, content in stored.items() if order_id not in ids}
    left = Counter(own.unanswered)
    doubled, same, unanswered, others = [], 0, 0, 0
    for order_id, content in foreign.items():
        if left[content] > 0:
            left[content] -= 1
            unanswered += 1
        elif contents.get(content) in own.retried:
            doubled.append(order_id)
        else:
            others += 1
            same += content in contents
    if same:
        others, doubled = others + len(doubled), []
    return Comparison(ids - stored.keys(), doubled, unanswered, others)
