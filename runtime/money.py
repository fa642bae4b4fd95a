"""Money: amounts are integers of minor units inside, and numbers of major units in the public contracts."""

from __future__ import annotations


def major(minor: int) -> float:
    """Return an amount in minor units as major units, with at most two decimals."""
    return minor / 100
