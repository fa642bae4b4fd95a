"""The clock against its definition, with the true time as the reference."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from orders.domain.clock import MAX_AHEAD_US, MAX_CARRIED_US, MAX_DRIFT_PPM, DatabaseClock, after_previous
from orders.domain.ids import uuid7

BASE_US = 1_790_000_000_000_000
# Each reading is rounded to microseconds.
ROUNDING_US = 5


class Line:
    """A simulated connection: each exchange has a time to the database and a time back."""

    def __init__(self, offset_us: int = BASE_US, drift_ppm: int = 0) -> None:
        self.offset_us = offset_us
        self.drift_ppm = drift_ppm
        self.monotonic_us = 0
        self.clock = DatabaseClock(lambda: self.monotonic_us / 1_000_000)

    @property
    def true_us(self) -> int:
        return self.offset_us + self.monotonic_us + self.monotonic_us * self.drift_ppm // 1_000_000

    @property
    def estimate_us(self) -> int:
        """The clock's estimate of the present time, before it ensures increasing times."""
        return (self.clock._low_us + self.clock._high_us) // 2 + self.monotonic_us

    def exchange(self, there_us: int, back_us: int) -> None:
        sent_us = self.monotonic_us
        self.monotonic_us += there_us
        told_us = self.true_us
        self.monotonic_us += back_us
        self.clock.learn(told_us, sent_us / 1_000_000, self.monotonic_us / 1_000_000)


DELAYS = st.integers(0, 500) | st.integers(0, 2_000_000)
EXCHANGES = st.lists(st.tuples(DELAYS, DELAYS, st.integers(0, 100_000)), min_size=1, max_size=30)


@given(EXCHANGES)
def test_the_error_is_at_most_half_of_the_shortest_round_trip(
    exchanges: list[tuple[int, int, int]],
) -> None:
    line, shortest_us, learned_at_us = Line(), 10**12, 0
    for there_us, back_us, pause_us in exchanges:
        line.exchange(there_us, back_us)
        if there_us + back_us <= shortest_us:
            shortest_us, learned_at_us = there_us + back_us, line.monotonic_us
        # Earlier bounds have widened by the maximum drift.
        drift_us = (line.monotonic_us - learned_at_us + shortest_us) * MAX_DRIFT_PPM // 1_000_000
        assert abs(line.estimate_us - line.true_us) <= shortest_us // 2 + drift_us + ROUNDING_US
        line.monotonic_us += pause_us


@given(EXCHANGES, st.integers(-MAX_DRIFT_PPM, MAX_DRIFT_PPM))
def test_drifting_clocks_stay_within_the_uncertainty_and_are_not_taken_for_set_clocks(
    exchanges: list[tuple[int, int, int]], drift_ppm: int
) -> None:
    line = Line(drift_ppm=drift_ppm)
    with capture_logs() as logs:
        for there_us, back_us, pause_us in exchanges:
            line.exchange(there_us, back_us)
            bound_us = line.clock.uncertainty_us + ROUNDING_US
            assert abs(line.estimate_us - line.true_us) <= bound_us
            line.monotonic_us += pause_us
    assert logs == []


DAY_US = 86_400_000_000
WENT_BACK = "event times go back: database clock was set back"
FORWARD = st.integers(0, 10_000_000)
COUNTS = st.integers(1, 5)


@given(st.lists(st.tuples(FORWARD | st.integers(-1_000, 0), DELAYS, DELAYS, COUNTS), min_size=1, max_size=30))
def test_times_strictly_increase_unless_the_clock_is_set_back_beyond_the_limit(
    steps: list[tuple[int, int, int, int]],
) -> None:
    line, told = Line(), []
    for step_us, there_us, back_us, count in steps:
        line.offset_us += step_us
        line.exchange(there_us, back_us)
        first_us = line.clock.now_us(count)
        told += range(first_us, first_us + count)
    made = [uuid7(time_us) for time_us in told]
    assert all(one < other for one, other in pairwise(told))
    assert all(one < other for one, other in pairwise(made))


STEPS = st.integers(-10_000_000, 10_000_000) | st.integers(-400 * DAY_US, 400 * DAY_US)


@given(st.lists(st.tuples(STEPS, DELAYS, DELAYS, COUNTS), min_size=1, max_size=30))
def test_no_time_is_ahead_of_the_limit_and_going_back_is_logged(
    steps: list[tuple[int, int, int, int]],
) -> None:
    line, last_us = Line(BASE_US * 15), 0
    for step_us, there_us, back_us, count in steps:
        line.offset_us += step_us
        line.exchange(there_us, back_us)
        with capture_logs() as logs:
            first_us = line.clock.now_us(count)
        ahead_us = first_us - line.estimate_us
        assert -ROUNDING_US <= ahead_us <= MAX_AHEAD_US + ROUNDING_US
        went_back = [log for log in logs if log["event"] == WENT_BACK]
        assert bool(went_back) == (first_us <= last_us)
        last_us = first_us + count - 1


@given(STEPS)
def test_an_event_is_after_the_previous_one_unless_that_is_far_in_the_future(ahead_us: int) -> None:
    occur_us = after_previous(BASE_US, BASE_US + ahead_us)
    assert occur_us <= BASE_US + MAX_CARRIED_US + 1
    assert (occur_us > BASE_US + ahead_us) == (ahead_us <= MAX_CARRIED_US)


def test_a_delayed_reply_does_not_move_the_clock() -> None:
    """Regression: a commit of 400 ms moved the clock back by half of it, and new ids sorted below earlier ones."""
    line = Line()
    line.exchange(100, 100)
    before_us = line.clock.now_us() - line.monotonic_us
    for there_us, back_us in ((100, 400_000), (3_000_000, 100)):
        line.exchange(there_us, back_us)
        # Only the drift during the exchange is unknown.
        drift_us = (there_us + back_us) * MAX_DRIFT_PPM // 1_000_000
        assert abs(line.clock.now_us() - line.monotonic_us - before_us) <= drift_us + ROUNDING_US


def test_a_clock_set_forward_is_followed_after_the_first_reply() -> None:
    line = Line()
    line.exchange(100, 100)
    line.offset_us += 5_000_000
    with capture_logs() as logs:
        line.exchange(100, 900_000)
    assert abs(line.clock.now_us() - line.true_us) <= 450_050 + ROUNDING_US
    line.exchange(100, 100)
    assert abs(line.clock.now_us() - line.true_us) <= 100 + ROUNDING_US
    assert [log["event"] for log in logs] == ["database clock was set"]


def test_a_clock_set_back_is_approached_at_half_speed_and_then_followed() -> None:
    line = Line()
    line.exchange(100, 100)
    first_us = line.clock.now_us()
    line.offset_us -= 1_000_000
    line.exchange(100, 100)
    line.monotonic_us += 1_000_000
    assert line.clock.now_us() - first_us == pytest.approx(500_000, abs=1000)
    line.monotonic_us += 1_100_000
    assert abs(line.clock.now_us() - line.true_us) <= 100 + ROUNDING_US


def test_a_clock_set_back_by_days_is_followed_at_once() -> None:
    line = Line()
    line.exchange(100, 100)
    line.clock.now_us()
    line.offset_us -= 2 * DAY_US
    line.exchange(100, 100)
    with capture_logs() as logs:
        assert abs(line.clock.now_us() - line.true_us) <= 100 + ROUNDING_US
        line.clock.now_us()
    assert [log["event"] for log in logs] == [WENT_BACK]


def test_no_time_is_returned_before_the_first_reading() -> None:
    with pytest.raises(RuntimeError, match="no reading of the database's clock"):
        DatabaseClock().now_us()
