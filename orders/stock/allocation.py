"""Allocates stock to orders: all or nothing per order, by queue position, never below zero. Pure.

The guarantees, and the reasons for them: docs/decisions/0012-waiting-for-stock.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orders.domain.order import Line, Needs

# A backorder is passed over until each product that it lacks was restocked this often; then stock is held for it.
HOLDS_FROM_ARRIVAL = 3
# A hold ends this long after the last arrival of a product that the backorder lacks.
HOLD_US = 3_600_000_000
# A hold that ends later dates from before the database's clock was set back, and does not count.
MAX_HOLD_US = HOLD_US + 60_000_000
# Behind every backorder.
LAST_POSITION = 1 << 63


@dataclass(slots=True)
class Stock:
    """The stock of a locked product in units, and the changes that the transaction makes to it."""

    on_hand: int
    # Units that backorders need.
    awaited: int
    # How often stock arrived, and when it last did.
    arrivals: int = 0
    arrived_us: int = 0
    # The position of the backorder that units are held for, 0 for none; how many, and until when.
    holder: int = 0
    held: int = 0
    held_until_us: int = 0
    # Whether a release is scheduled or in progress: until it ends, new orders get only what exceeds `awaited`.
    releasing: bool = False
    on_hand_change: int = 0
    awaited_change: int = 0
    hold_changed: bool = False
    hold_ended: bool = False

    def allocate(self, quantity: int) -> None:
        """Allocate units to an order."""
        self.on_hand -= quantity
        self.on_hand_change -= quantity

    def add(self, quantity: int, now_us: int) -> None:
        """Add units that arrived by a restock or a cancelled order."""
        self.allocate(-quantity)
        self.arrivals += 1
        self.arrived_us = now_us

    def cancel_backorder(self, quantity: int, positions: Collection[int]) -> None:
        """Remove a cancelled backorder, and end its hold."""
        self.change_awaited(-quantity)
        for position in positions:
            self.end_hold(position)

    def change_awaited(self, quantity: int) -> None:
        """Add the units that a backorder needs; a negative quantity removes them."""
        self.awaited += quantity
        self.awaited_change += quantity

    def hold(self, position: int, quantity: int, until_us: int) -> None:
        """Hold units for the backorder at a position, instead of the one that they were held for."""
        self.hold_ended |= self.holder not in (0, position)
        self.holder, self.held, self.held_until_us, self.hold_changed = position, quantity, until_us, True

    def end_hold(self, position: int) -> None:
        """End the hold of the backorder at a position."""
        if self.holder == position:
            self.hold(0, 0, 0)

    def is_held_before(self, position: int, now_us: int) -> bool:
        """Return whether units are held for a backorder ahead of a position."""
        return 0 < self.holder < position and now_us < self.held_until_us <= now_us + MAX_HOLD_US

    def available(self, position: int, now_us: int) -> int:
        """Return how many units the order at a position may get."""
        return self.on_hand - (self.held if self.is_held_before(position, now_us) else 0)

    @property
    def overtakes_no_backorder(self) -> bool:
        """Return whether an allocation overtakes no backorder: none is unprocessed, or stock suffices for all."""
        return not (self.releasing or self.hold_ended) or self.on_hand >= self.awaited

    def available_to_new_orders(self, now_us: int) -> int:
        """Return how many units a new order may get."""
        return self.on_hand - self.awaited if self.releasing else self.available(LAST_POSITION, now_us)


class Backorder(NamedTuple):
    """A backorder: its queue position, its needs, and the number of arrivals of each product before it was queued."""

    position: int
    order_id: str
    needs: dict[str, int]
    arrivals_before: dict[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one order: allocated when nothing is missing."""

    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def allocated(self) -> bool:
        """Return whether stock was allocated."""
        return not self.missing


def needs(lines: Sequence[Line], tracked: Mapping[str, bool]) -> dict[str, int]:
    """Return how much the lines need of each tracked product."""
    found: dict[str, int] = {}
    for line in lines:
        if tracked[line.product_id]:
            found[line.product_id] = found.get(line.product_id, 0) + line.quantity
    return found


def allocate(stocks: Mapping[str, Stock], orders: Sequence[Needs], now_us: int) -> list[Decision]:
    """Decide about new orders, one after another; none gets units that are held for a backorder."""
    decisions = []
    for wanted in orders:
        left = {product: stocks[product].available_to_new_orders(now_us) for product in wanted}
        missing = {product: need - max(0, left[product]) for product, need in wanted.items() if need > left[product]}
        for product, need in wanted.items():
            if missing:
                stocks[product].change_awaited(need)
            else:
                stocks[product].allocate(need)
        decisions.append(Decision(missing))
    return decisions


def release(
    stocks: Mapping[str, Stock], backorders: Sequence[Backorder], products: Collection[str], now_us: int
) -> list[bool]:
    """Decide about backorders of some products, by position: whether each gets stock, and for which it is held."""
    released = []
    for order in backorders:
        left = {product: stocks[product].available(order.position, now_us) for product in order.needs}
        lacking = [product for product, need in order.needs.items() if need > left[product]]
        if lacking:
            hold(stocks, order, hold_until_us(stocks, order, lacking), now_us)
        fits = not lacking and all(name in products or stocks[name].overtakes_no_backorder for name in order.needs)
        if fits:
            for product, need in order.needs.items():
                stocks[product].allocate(need)
                stocks[product].change_awaited(-need)
                stocks[product].end_hold(order.position)
        released.append(fits)
    return released


def hold_until_us(stocks: Mapping[str, Stock], order: Backorder, lacking: Sequence[str]) -> int:
    """Return until when stock is held for a backorder, 0 when it is passed over: it lacks what arrived too rarely."""
    arrivals = min(stocks[product].arrivals - order.arrivals_before[product] for product in lacking)
    return min(stocks[product].arrived_us for product in lacking) + HOLD_US if arrivals >= HOLDS_FROM_ARRIVAL else 0


def hold(stocks: Mapping[str, Stock], order: Backorder, until_us: int, now_us: int) -> None:
    """Hold what a backorder needs, except products that are held for an earlier one; end its hold after that time."""
    for product, need in order.needs.items():
        stock = stocks[product]
        if not now_us < until_us <= now_us + MAX_HOLD_US:
            stock.end_hold(order.position)
        elif not stock.is_held_before(order.position, now_us):
            stock.hold(order.position, need, until_us)
