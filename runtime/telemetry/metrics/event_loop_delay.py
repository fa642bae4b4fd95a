"""The delay of an event loop: how much later than planned it runs a timer, because of work that does not yield."""

from __future__ import annotations

import asyncio
import time

from runtime.telemetry import metrics

EVERY_SECONDS = 0.1


async def measure_delay() -> None:
    """Observe the delay ten times a second until cancelled."""
    metrics.create("event_loop")
    while True:
        planned = time.monotonic() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        metrics.EVENT_LOOP_DELAY.observe(max(0.0, time.monotonic() - planned))
