"""How long publisher and workers rest between rounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runtime.process import pacing
from runtime.process.pacing import ENOUGH_EVENTS, MAX_REST_SECONDS, Pace


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: self.now))

    def round(self, pacer: Pace, events: int, seconds: float) -> float:
        """Return the rest after a round that took some time."""
        started = self.now
        self.now += seconds
        return pacer.rest_seconds(events, started)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_there_is_no_rest_in_a_backlog(clock: Clock) -> None:
    assert clock.round(Pace(1000), ENOUGH_EVENTS, 0.2) == 0.0


def test_where_few_come_the_rest_is_as_long_as_the_round(clock: Clock) -> None:
    pacer = Pace(1000)
    assert clock.round(pacer, 5, 0.02) == pytest.approx(0.02)
    assert clock.round(pacer, 5, 0.3) == MAX_REST_SECONDS


def test_where_many_come_the_rest_lasts_until_enough_should_have_come_but_not_longer_than_it_may(clock: Clock) -> None:
    pacer = Pace(1000)
    assert clock.round(pacer, 400, 0.2) == MAX_REST_SECONDS
    for _ in range(9):
        clock.round(pacer, 450, 0.01)
    rest = clock.round(pacer, 450, 0.01)
    assert rest == pytest.approx(ENOUGH_EVENTS / (10 * 450 / 0.1))
