"""The stock of a product during a transaction: units on hand, awaited by backorders, and held for one. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

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
