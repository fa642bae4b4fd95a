"""What a rebuild is made from, and its failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from processor.repair.correction import ProductSales


class NotRebuilt(Exception):
    """The rebuilt tables cannot be made exact now; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the rebuilt tables hold: sales by product, and from when on, in seconds since 1970; 0 for since ever."""

    sales: ProductSales
    # From when on every event is there, and every sum is complete.
    complete_from: int
    covered_from: int


class Source(Protocol):
    """Fills the rebuilt tables."""

    def fill(self) -> None:
        """Insert most events, while workers count."""

    def finish(self) -> Rebuilt:
        """Insert the rest and set the ledgers, while no worker counts. May be called again. Raises NotRebuilt."""
