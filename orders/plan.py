"""Decides who gets stock: all or nothing per order, in order of arrival, never below zero. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orders.model import Line, Needs


@dataclass(slots=True)
class Stock:
    """A tracked product's stock while a plan is made, and what the plan changes."""

    on_hand: int
    awaited: int
    on_hand_change: int = 0
    awaited_change: int = 0

    def take(self, quantity: int) -> None:
        """Allocate units."""
        self.on_hand -= quantity
        self.on_hand_change -= quantity

    def give_back(self, quantity: int) -> None:
        """Return units that were allocated."""
        self.take(-quantity)

    def wait(self, quantity: int) -> None:
        """Note that an order waits for units; a negative quantity ends it."""
        self.awaited += quantity
        self.awaited_change += quantity


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one order: allocated when nothing is missing."""

    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def allocated(self) -> bool:
        """Tell whether the order got its stock."""
        return not self.missing


def needs(lines: Sequence[Line], tracked: Mapping[str, bool]) -> dict[str, int]:
    """Return how much the lines need of each tracked product."""
    found: dict[str, int] = {}
    for line in lines:
        if tracked[line.product_id]:
            found[line.product_id] = found.get(line.product_id, 0) + line.quantity
    return found


def allocate(stocks: Mapping[str, Stock], orders: Sequence[Needs]) -> list[Decision]:
    """Decide for new orders in turn; each takes only what those that wait already leave."""
    decisions = []
    for wanted in orders:
        left = {product: stocks[product].on_hand - stocks[product].awaited for product in wanted}
        missing = {product: need - max(0, left[product]) for product, need in wanted.items() if need > left[product]}
        for product, need in wanted.items():
            if missing:
                stocks[product].wait(need)
            else:
                stocks[product].take(need)
        decisions.append(Decision(missing))
    return decisions


def release(stocks: Mapping[str, Stock], waiting: Sequence[Needs]) -> list[bool]:
    """Decide for waiting orders, oldest first, who can be released now; one that does not fit is skipped."""
    released = []
    for wanted in waiting:
        fits = all(stocks[product].on_hand >= need for product, need in wanted.items())
        if fits:
            for product, need in wanted.items():
                stocks[product].take(need)
                stocks[product].wait(-need)
        released.append(fits)
    return released
