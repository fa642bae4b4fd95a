"""Long loops in slices: between two slices the event loop serves other calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
# About two milliseconds of validation.
SLICE_COST = 1_000


async def in_slices(elements: Iterable[T], cost: Callable[[T], int]) -> AsyncIterator[T]:
    """Yield the elements, and let the event loop go on whenever those since the last time cost SLICE_COST."""
    done = 0
    for element in elements:
        yield element
        done += cost(element)
        if done >= SLICE_COST:
            done = 0
            await asyncio.sleep(0)
