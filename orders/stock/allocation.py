"""Decides who gets stock: all or nothing per order, in order of arrival, never below zero. Pure.

What is promised, and why: docs/decisions/0012-waiting-for-stock.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orders.domain.order import Line, Needs

# An order that waits is passed over until each product that it lacks has arrived so often; then it holds stock.
HOLDS_FROM_ARRIVAL = 3
# Stock is held for so long after the last arrival of what its order lacks.
HOLD_US = 3_600_000_000
# An arrival that is further in the future was stamped before the database's clock was set back: it holds nothing.
LONGEST_HOLD_US = HOLD_US + 60_000_000
# After every order that waits.
LAST_POSITION = 1 << 63


@dataclass(slots=True)
class Stock:
    """A tracked product's stock while a plan is made, and what the plan changes."""

    on_hand: int
    awaited: int
    # How often stock arrived, and when it last did.
    arrivals: int = 0
    arrived_us: int = 0
    # The position of the order that units are held for, 0 for none; how many, and until when.
    holder: int = 0
    held: int = 0
    held_until_us: int = 0
    # Whether those that wait are being looked at now: until then all that they ask for is theirs.
    releasing: bool = False
    on_hand_change: int = 0
    awaited_change: int = 0
    hold_changed: bool = False
    hold_ended: bool = False

    def take(self, quantity: int) -> None:
        """Allocate units."""
        self.on_hand -= quantity
        self.on_hand_change -= quantity

    def give_back(self, quantity: int, now_us: int) -> None:
        """Add units that arrived: new ones, or those of an order that gave them up."""
        self.take(-quantity)
        self.arrivals += 1
        self.arrived_us = now_us

    def leave(self, quantity: int, positions: Collection[int]) -> None:
        """Note that an order waits no longer, and ends its hold."""
        self.wait(-quantity)
        for position in positions:
            self.end_hold(position)

    def wait(self, quantity: int) -> None:
        """Note that an order waits for units; a negative quantity ends it."""
        self.awaited += quantity
        self.awaited_change += quantity

    def hold(self, position: int, quantity: int, until_us: int) -> None:
        """Hold units for the order at a position, in the place of another."""
        self.hold_ended |= self.holder not in (0, position)
        self.holder, self.held, self.held_until_us, self.hold_changed = position, quantity, until_us, True

    def end_hold(self, position: int) -> None:
        """End what is held for the order at a position."""
        if self.holder == position:
            self.hold(0, 0, 0)

    def is_held_before(self, position: int, now_us: int) -> bool:
        """Tell whether units are held for an order before a position."""
        return 0 < self.holder < position and now_us < self.held_until_us <= now_us + LONGEST_HOLD_US

    def left_for(self, position: int, now_us: int) -> int:
        """Return how many units the order at a position may take."""
        return self.on_hand - (self.held if self.is_held_before(position, now_us) else 0)

    @property
    def is_enough_for_all(self) -> bool:
        """Tell whether nobody can be passed over: those at earlier positions were looked at, or there is enough."""
        return not (self.releasing or self.hold_ended) or self.on_hand >= self.awaited

    def left_for_new(self, now_us: int) -> int:
        """Return how many units an order that comes now may take."""
        return self.on_hand - self.awaited if self.releasing else self.left_for(LAST_POSITION, now_us)


class Waiting(NamedTuple):
    """An order that waits: its place in the queue, what it needs, and each product's arrivals before it came."""

    position: int
    order_id: str
    needs: dict[str, int]
    arrivals_before: dict[str, int]


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


def allocate(stocks: Mapping[str, Stock], orders: Sequence[Needs], now_us: int) -> list[Decision]:
    """Decide for new orders in turn; each takes only what is not held for those that wait."""
    decisions = []
    for wanted in orders:
        left = {product: stocks[product].left_for_new(now_us) for product in wanted}
        missing = {product: need - max(0, left[product]) for product, need in wanted.items() if need > left[product]}
        for product, need in wanted.items():
            if missing:
                stocks[product].wait(need)
            else:
                stocks[product].take(need)
        decisions.append(Decision(missing))
    return decisions


def release(
    stocks: Mapping[str, Stock], waiting: Sequence[Waiting], products: Collection[str], now_us: int
) -> list[bool]:
    """Decide for orders that wait for some products, by position, who gets stock now, and for whom it is held."""
    released = []
    for order in waiting:
        left = {product: stocks[product].left_for(order.position, now_us) for product in order.needs}
        lacking = [product for product, need in order.needs.items() if need > left[product]]
        if lacking:
            hold(stocks, order, hold_until_us(stocks, order, lacking), now_us)
        fits = not lacking and all(name in products or stocks[name].is_enough_for_all for name in order.needs)
        if fits:
            for product, need in order.needs.items():
                stocks[product].take(need)
                stocks[product].wait(-need)
                stocks[product].end_hold(order.position)
        released.append(fits)
    return released


def hold_until_us(stocks: Mapping[str, Stock], order: Waiting, lacking: Sequence[str]) -> int:
    """Return until when stock is held for an order, 0 when it is passed over: then what it lacks arrived too rarely."""
    came = min(stocks[product].arrivals - order.arrivals_before[product] for product in lacking)
    return min(stocks[product].arrived_us for product in lacking) + HOLD_US if came >= HOLDS_FROM_ARRIVAL else 0


def hold(stocks: Mapping[str, Stock], order: Waiting, until_us: int, now_us: int) -> None:
    """Hold what an order needs, but for products that are held for an earlier one; nothing once the time is over."""
    for product, need in order.needs.items():
        stock = stocks[product]
        if not now_us < until_us <= now_us + LONGEST_HOLD_US:
            stock.end_hold(order.position)
        elif not stock.is_held_before(order.position, now_us):
            stock.hold(order.position, need, until_us)
