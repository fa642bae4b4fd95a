"""Compares the orders of a run with the stored ones, which may include orders of other clients. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ID_CHARACTERS = 36
# Customer and value: equal when an order was stored twice.
Content = tuple[str, int]


@dataclass
class OwnOrders:
    """The orders of a run: ids of the acknowledged ones, which of them were retried, and those without an answer."""

    acknowledged: bytearray = field(default_factory=bytearray)
    retried: set[str] = field(default_factory=set)
    unanswered: Counter[Content] = field(default_factory=Counter)

    def ids(self) -> set[str]:
        """Return the ids of the acknowledged orders."""
        packed = self.acknowledged.decode("ascii", "replace")
        return {packed[at : at + ID_CHARACTERS] for at in range(0, len(packed), ID_CHARACTERS)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Own orders that are missing, own orders stored twice under another id, and the number of orders of others."""

    missing: set[str]
    doubled: list[str]
    others: int


def first_ms(ids: Iterable[str]) -> int:
    """Return the time of the first order in milliseconds since 1970, from its UUIDv7."""
    return int(min(ids).replace("-", "")[:12], 16)


def compare(own: OwnOrders, stored: Mapping[str, Content]) -> Comparison:
    """Compare with the orders that were stored during the run.

    A foreign order with the content of a retried own order counts as stored twice; unless orders that were not retried
    have such duplicates as well: then another client sends the same orders.
    """
    ids = own.ids()
    contents = {content: order_id for order_id, content in stored.items() if order_id in ids}
    foreign = {order_id: content for order_id, content in stored.items() if order_id not in ids}
    left = Counter(own.unanswered)
    doubled, same, others = [], 0, 0
    for order_id, content in foreign.items():
        if left[content] > 0:
            left[content] -= 1
        elif contents.get(content) in own.retried:
            doubled.append(order_id)
        else:
            others += 1
            same += content in contents
    if same:
        others, doubled = others + len(doubled), []
    return Comparison(ids - stored.keys(), doubled, others)
