"""Sums of events, without a database."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import sums
from processor_world import created, decoded, history, restock

from processor.counting.deltas import Tally, deltas

HISTORY = history(30)


@settings(max_examples=50)
@given(seed=st.integers(), cuts=st.integers(1, 12))
def test_any_order_and_grouping_of_the_same_events_gives_the_same_metrics(seed: int, cuts: int) -> None:
    events = [decoded(event) for event in HISTORY]
    random.Random(seed).shuffle(events)
    total: dict[tuple[str, str], int] = {}
    for first in range(cuts):
        for key, change in deltas(events[first::cuts]).items():
            total[key] = total.get(key, 0) + change
    assert {key: value for key, value in total.items() if value} == sums(HISTORY)


def test_metrics_say_what_happened() -> None:
    first = created(3)
    tally = Tally()
    tally.add([decoded(first), decoded(restock())])
    found = tally.deltas()
    assert found["orders_total", ""] == 1
    assert found["revenue_total", ""] == first.total_minor
    assert found["orders_by_status", "CREATED"] == 1
    assert found["restock_requests", ""] == 1
    minutes = [dimension for name, dimension in found if name == "orders_per_minute"]
    assert len(minutes) == 1
    assert minutes[0].startswith("2026-03-11T22:0")
