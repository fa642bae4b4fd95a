"""How tests wait: they look again after a short pause, and fail with what they wait for when it does not come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

# For what takes a second on a quiet machine; below the time limit of a test.
PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = 0.02

What = str | Callable[[], str]


def await_true(
    condition: Callable[[], object],
    what: What = "it happens",
    seconds: float = PATIENCE_SECONDS,
    pause_seconds: float = PAUSE_SECONDS,
) -> None:
    """Return as soon as the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(pause_seconds)


async def until_true(condition: Callable[[], Awaitable[object]], what: What, seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as the awaited condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        await asyncio.sleep(PAUSE_SECONDS)
