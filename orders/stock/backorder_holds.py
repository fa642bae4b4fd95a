"""Holds units for a backorder that was passed over too often, for a limited time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orders.stock.stock_levels import HOLD_US, MAX_HOLD_US, Stock

# A backorder is passed over until each product that it lacks was restocked this often; then stock is held for it.
HOLDS_FROM_ARRIVAL = 3


class Backorder(NamedTuple):
    """A backorder: its queue position, its needs, and the number of arrivals of each product before it was queued."""

    position: int
    order_id: str
    needs: dict[str, int]
    arrivals_before: dict[str, int]


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
