"""What an attack is aimed at, and what it tells of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Counts = dict[str, int]


@dataclass(frozen=True)
class Target:
    """The front proxy, a metrics port, the attacker's address, and when the attack ends (time.monotonic())."""

    front: tuple[str, int]
    metrics: tuple[str, int]
    source: str
    until: float

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self.until - time.monotonic())


Attack = Callable[[Target], Counts]
