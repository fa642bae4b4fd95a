"""Whether a process gets on with its work: it shows so by beats, which whoever watches over it reads at /health.

A child writes its beats into the folder that its service shares, one small file for each place; the time in them is the
system's monotonic clock, which all processes of a machine read alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.telemetry import component_metric, metrics_endpoint

BEAT_SECONDS = 1.0
# Work whose process shows nothing for so long stands still.
SILENCE_SECONDS = 10.0
UP, STARTING, DEGRADED, DRAINING, CRASH_LOOPING = "up", "starting", "degraded", "draining", "crash looping"
# The worst of several processes is the state of their service.
GRAVITY = (CRASH_LOOPING, DEGRADED, STARTING, DRAINING, UP)


@dataclass(frozen=True)
class Health:
    """How a service is, and why it is not up."""

    state: str = UP
    detail: str = ""

    def as_json(self) -> bytes:
        """Return the body of /health."""
        return json.dumps({"state": self.state, "detail": self.detail}).encode() + b"\n"


class Vitals:
    """The beats of this process; safe from any thread."""

    def __init__(self) -> None:
        self._beaten_at = float("-inf")
        self.draining = False

    def beat(self) -> None:
        """Show that work goes on, at most once a second; costs next to nothing in between."""
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_SECONDS:
            self._beaten_at = now
            self._write()

    def drain(self) -> None:
        """Show that nothing new is taken."""
        self.draining = True
        self._write()

    def _write(self) -> None:
        place = os.environ.get(component_metric.CHILD_INDEX)
        if place:
            # A beat that is lost on a full disk must not end the work that it tells of.
            with contextlib.suppress(OSError):
                beat_file(place).write_text(f"{time.monotonic()} {DRAINING if self.draining else UP}")

    def health(self) -> Health:
        """Return how this process is, by its own beats."""
        if self.draining:
            return Health(DRAINING, "finishes what is in flight")
        return judge(self._beaten_at if self._beaten_at > 0 else None)


VITALS = Vitals()


def beat_file(place: str) -> Path:
    """Return the file of a child's beats."""
    return Path(os.environ[metrics_endpoint.MULTIPROCESS_FOLDER]) / f"beat-{place}"


def judge(beaten_at: float | None) -> Health:
    """Return how a process is that last showed itself at a time of the monotonic clock."""
    if beaten_at is None:
        return Health(STARTING, "its work has not begun")
    silent_seconds = time.monotonic() - beaten_at
    if silent_seconds > SILENCE_SECONDS:
        return Health(DEGRADED, f"stands still for {silent_seconds:.0f} seconds")
    return Health()


def child_health(place: str, started_at: float) -> Health:
    """Return how a running child is, by what it wrote since it was started."""
    try:
        beaten_at, _, state = beat_file(place).read_text().partition(" ")
        if float(beaten_at) < started_at:
            return judge(None)
    except (OSError, ValueError):
        return judge(None)
    return Health(DRAINING, "finishes what is in flight") if state == DRAINING else judge(float(beaten_at))


def worst(children: Sequence[Health]) -> Health:
    """Return the health of a service from those of its processes."""
    state = next(state for state in GRAVITY if any(child.state == state for child in children))
    having = [child for child in children if child.state == state]
    if state == UP:
        return Health()
    return Health(state, f"{len(having)} of {len(children)} processes: {having[0].detail}")
