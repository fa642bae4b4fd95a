"""How long publisher and workers rest between rounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runtime.process import pacing
from runtime.process.pacing import FULL_ROUND_EVENTS, MAX_PAUSE_SECONDS, BatchPacer


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: self.now))

    def round(self, pacer: BatchPacer, events: int, seconds: float) -> float:
        """Return the rest after a round that took some time."""
        started = self.now
        self.now += seconds
        return pacer.pause_seconds(events, started)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_there_is_no_pause_in_a_backlog(clock: Clock) -> None:
    assert clock.round(BatchPacer(1000), FULL_ROUND_EVENTS, 0.2) == 0.0


def test_at_a_low_rate_the_pause_is_as_long_as_the_round(clock: Clock) -> None:
    pacer = BatchPacer(1000)
    assert clock.round(pacer, 5, 0.02) == pytest.approx(0.02)
    assert clock.round(pacer, 5, 0.3) == MAX_PAUSE_SECONDS


def test_at_a_high_rate_the_pause_lasts_until_a_full_round_is_expected_up_to_the_limit(clock: Clock) -> None:
    pacer = BatchPacer(1000)
    assert clock.round(pacer, 400, 0.2) == MAX_PAUSE_SECONDS
    for _ in range(9):
        clock.round(pacer, 450, 0.01)
    rest = clock.round(pacer, 450, 0.01)
    assert rest == pytest.approx(FULL_ROUND_EVENTS / (10 * 450 / 0.1))
