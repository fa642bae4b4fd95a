"""Ids of events and orders that the suite makes itself."""

from __future__ import annotations

import time

from orders.domain.ids import uuid7


def new_id() -> str:
    """Return a UUIDv7 of now."""
    return uuid7(time.time_ns() // 1000)
