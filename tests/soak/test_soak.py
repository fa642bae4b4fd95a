"""Two midnights of the soak: the end of a year, then one 56 days later, in a leap year."""

import os
from datetime import date

import pytest

from bench.soak import result
from bench.soak.run import Night, Plan, midnights, moved_stack, nights
from faults.injection.clock import LibraryMissing, library

PLAN = Plan(midnights=2, orders_per_second=30, seconds=12, say=print, maintain_now=True)
DAYS = [date(2028, 1, 1), date(2028, 2, 29)]


@pytest.fixture(scope="module", autouse=True)
def _moved() -> None:
    try:
        library()
    except LibraryMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.mark.timeout(300)
def test_across_midnights_nothing_is_lost_doubled_or_left_behind() -> None:
    """All retentions end between them: the second begins in default partitions, and drops what the first left."""
    with moved_stack(DAYS[0]) as (stack, clock):
        found = list(nights(stack, clock, PLAN, DAYS))
    assert [problem for night in found for problem in night.problems] == []
    assert [night.verdict for night in found] == ["AGREES", "AGREES"]
    # A retention of two days: of the first night nothing is left to compare.
    assert found[1].covers_from > "2028-01-01"
    assert found[1].summary.startswith(
        f"{found[1].figures['tables']['event_outbox']['rows']:,} published events since "
    )
    kept = [night.figures["tables"] for night in found]
    for table in ("event_outbox", "processed_events"):
        assert kept[1][table]["rows"] <= 1.5 * kept[0][table]["rows"], table


def test_the_calendar_has_ends_of_months_and_years_and_a_leap_day() -> None:
    days = midnights(40)
    assert days == sorted(set(days))
    assert {date(2028, 1, 1), date(2028, 2, 29), date(2028, 3, 1), date(2029, 1, 1)} <= set(days)
    # Days in a row, so that what is kept for some days is dropped day by day.
    assert {date(2028, 3, day) for day in (1, 2, 3, 4)} <= set(days)


def test_what_grew_is_named_and_what_must_grow_is_not() -> None:
    factors = {"tables": {"event_outbox": 2.0, "order_request": 1.1}, "memory": {"orders": 1.5, "kafka": 1.0}}
    assert result.grown(factors) == [
        "event_outbox (tables) grew by a factor of 2.0",
        "orders (memory) grew by a factor of 1.5",
    ]


def warm_nights(grows_mib: float) -> list[Night]:
    """Return nights of which one service grows steadily, and another took a step once."""
    memory = {"orders": 130.0, "publisher": 42.0, "analytics": 47.0, "gateway": 60.0}
    steps = [memory | {"processor": 118 + grows_mib * n, "orders": 130.0 + 10 * (n > 6)} for n in range(12)]
    return [Night(DAYS[0], figures={"memory_mib": step}) for step in steps]


def test_a_service_that_grows_a_little_from_night_to_night_is_named_and_one_step_is_not() -> None:
    assert result.grows_on(result.slopes(warm_nights(0.1))) == []
    assert result.grows_on(result.slopes(warm_nights(1.0))) == ["processor grows by 1.0 MiB per night"]
