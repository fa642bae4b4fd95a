import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.schedule import Constant, Profile, Ramp, Steps, count_orders, due_calls, due_times

rates = st.floats(0.5, 2_000)
profiles = st.one_of(
    st.builds(Constant, rates), st.builds(Ramp, rates, rates), st.builds(Steps, st.lists(rates, min_size=1).map(tuple))
)
durations = st.floats(0.1, 3)


@given(profiles, durations)
def test_orders_are_due_in_order_and_within_the_duration(profile: Profile, seconds: float) -> None:
    times = list(due_times(profile, seconds))
    assert len(times) == count_orders(profile, seconds)
    assert all(before <= after for before, after in pairwise(times))
    assert times[0] == 0
    assert times[-1] <= math.ceil(seconds * 1e9)


def test_a_constant_rate_spaces_orders_evenly() -> None:
    assert list(due_times(Constant(1000), 0.005)) == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]


def test_a_thousand_a_second_for_five_minutes_are_three_hundred_thousand() -> None:
    assert count_orders(Constant(1000), 300) == 300_000


@pytest.mark.parametrize(("start", "end"), [(100, 300), (300, 100)])
def test_a_ramp_offers_the_mean_rate_and_changes_evenly(start: float, end: float) -> None:
    times = list(due_times(Ramp(start, end), 10))
    assert len(times) == 2000
    first_half = sum(time < 5e9 for time in times)
    assert first_half == pytest.approx((start + (start + end) / 2) / 2 * 5, abs=1)


def test_steps_share_the_duration() -> None:
    times = list(due_times(Steps((10, 20, 40)), 3))
    assert [sum(second * 1e9 <= time < (second + 1) * 1e9 for time in times) for second in range(3)] == [10, 20, 40]


@given(profiles, durations, st.integers(1, 50))
def test_batches_carry_every_order_once(profile: Profile, seconds: float, size: int) -> None:
    calls = list(due_calls(profile, seconds, size))
    assert sum(call.order_count for call in calls) == count_orders(profile, seconds)
    assert all(call.order_count == size for call in calls[:-1])
