"""The heartbeat of a process: it shows that work makes progress, and supervisors read it at /health.

A child process writes its heartbeat into the folder that the processes of its service share, one small file for each
child. The time in it is the system's monotonic clock, which is the same in all processes of a machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.telemetry.metrics import child_usage, component_metric, handover
from runtime.telemetry.metrics.exemplars import EXEMPLARS

HEARTBEAT_SECONDS = 1.0
# A process without a heartbeat for this long makes no progress.
STALE_SECONDS = 10.0
UP, STARTING, DEGRADED, DRAINING, CRASH_LOOPING = "up", "starting", "degraded", "draining", "crash looping"
# The worst state of its processes is the state of a service.
WORST_FIRST = (CRASH_LOOPING, DEGRADED, STARTING, DRAINING, UP)
DRAINING_DETAIL = "finishes requests in flight"


@dataclass(frozen=True)
class Health:
    """The state of a service, and why it is not up."""

    state: str = UP
    detail: str = ""

    @property
    def works(self) -> bool:
        """Whether it does its work: the status of /health."""
        return self.state == UP

    @property
    def lives(self) -> bool:
        """Whether it needs no restart, which only one that stands still does: the status of /health/live."""
        return self.state != DEGRADED

    def as_json(self) -> bytes:
        """Return the body of both."""
        return json.dumps({"state": self.state, "detail": self.detail}).encode() + b"\n"


class Heartbeat:
    """The heartbeat of this process; safe to use from any thread."""

    def __init__(self) -> None:
        self._recorded_at = float("-inf")
        self.draining = False

    def record(self) -> None:
        """Record that work makes progress, at most once a second; a call in between costs next to nothing."""
        now = time.monotonic()
        if now - self._recorded_at >= HEARTBEAT_SECONDS:
            self._recorded_at = now
            self._write()
            EXEMPLARS.flush()
            child_usage.record()

    def start_draining(self) -> None:
        """Record that the process takes no new work."""
        self.draining = True
        self._write()

    def _write(self) -> None:
        index = os.environ.get(component_metric.CHILD_INDEX)
        if index:
            # A full disk must not end the work itself.
            with contextlib.suppress(OSError):
                heartbeat_file(index).write_text(f"{time.monotonic()} {DRAINING if self.draining else UP}")

    def health(self) -> Health:
        """Return the health of this process."""
        if self.draining:
            return Health(DRAINING, DRAINING_DETAIL)
        return health_at(self._recorded_at if self._recorded_at > 0 else None)


HEARTBEAT = Heartbeat()


async def beat(stop: asyncio.Event, *also: Callable[[], object]) -> None:
    """Record the heartbeat of an event loop, and that it drains from `stop` on, until cancelled; do more with each."""
    while True:
        if stop.is_set():
            HEARTBEAT.start_draining()
        HEARTBEAT.record()
        for each in also:
            each()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def heartbeat_file(index: str) -> Path:
    """Return the file of a child's heartbeat."""
    return Path(os.environ[handover.MULTIPROCESS_FOLDER]) / f"heartbeat-{index}"


def health_at(recorded_at: float | None) -> Health:
    """Return the health of a process whose last heartbeat was at a time of the monotonic clock, None for none yet."""
    if recorded_at is None:
        return Health(STARTING, "no heartbeat yet")
    silent_seconds = time.monotonic() - recorded_at
    if silent_seconds > STALE_SECONDS:
        return Health(DEGRADED, f"no heartbeat for {silent_seconds:.0f} seconds")
    return Health()


def child_health(index: str, started_at: float) -> Health:
    """Return the health of a running child from its heartbeat; older ones than its start are ignored."""
    try:
        recorded_at, _, state = heartbeat_file(index).read_text().partition(" ")
        if float(recorded_at) < started_at:
            return health_at(None)
    except (OSError, ValueError):
        return health_at(None)
    return Health(DRAINING, DRAINING_DETAIL) if state == DRAINING else health_at(float(recorded_at))


def worst_health(children: Sequence[Health]) -> Health:
    """Return the health of a service from that of its processes."""
    state = next(state for state in WORST_FIRST if any(child.state == state for child in children))
    affected = [child for child in children if child.state == state]
    if state == UP:
        return Health()
    return Health(state, f"{len(affected)} of {len(children)} processes: {affected[0].detail}")
