"""Allocates stock to orders: all or nothing per order, by queue position, never below zero. Pure.

The guarantees, and the reasons for them: docs/decisions/0012-waiting-for-stock.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orders.domain.order import Line, Needs
from orders.stock.backorder_holds import Backorder, hold, hold_until_us
from orders.stock.stock_levels import Stock


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
