"""Figures of a fault from the journal: when others were served, when the throughput was back, the worst latency."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from faults.load.journal import BYSTANDER, CREATE, Call

GOAL = 0.95
WINDOW_SECONDS = 3.0
STEP_SECONDS = 0.25


def accepted_times(calls: Sequence[Call]) -> list[float]:
    """Return when orders were accepted, sorted."""
    return sorted(call.ended_at for call in calls if call.method == CREATE and call.accepted)


def rate(times: Sequence[float], begin: float, end: float) -> float:
    """Return the accepted orders per second in an interval."""
    return (bisect_left(times, end) - bisect_left(times, begin)) / max(end - begin, 1e-6)


def recovered_seconds(times: Sequence[float], baseline: float, repaired_at: float, until: float) -> float | None:
    """Return the seconds from the repair until a window has 95 % of the baseline; None when none has."""
    at = repaired_at
    while at + WINDOW_SECONDS <= until:
        if rate(times, at, at + WINDOW_SECONDS) >= GOAL * baseline:
            return round(at - repaired_at, 2)
        at += STEP_SECONDS
    return None


def served_seconds(calls: Sequence[Call], injected_at: float, until: float) -> float:
    """Return the longest time after the fault in which no order of the bystander was accepted, in seconds."""
    served = [call.ended_at for call in calls if call.by == BYSTANDER and call.accepted and call.ended_at > injected_at]
    moments = [injected_at, *sorted(served), until]
    return round(max(after - before for before, after in pairwise(moments)), 2)


def worst_ms(calls: Sequence[Call]) -> float | None:
    """Return the worst latency of an order of the bystander that was accepted."""
    own = [call.ended_at - call.started_at for call in calls if call.by == BYSTANDER and call.accepted]
    return round(max(own) * 1000, 1) if own else None
