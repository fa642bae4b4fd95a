"""Ids of orders and events are ordered by time."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from orders.domain import ids

TIMES = st.integers(0, 2**47)


@given(TIMES, st.integers(1, 10**9))
def test_ids_are_uuid7_and_sort_by_microseconds(time_us: int, later_us: int) -> None:
    first, second = ids.uuid7(time_us), ids.uuid7(time_us + later_us)
    assert first < second
    assert ids.lowest(time_us) <= first < ids.lowest(time_us + 1)
    read = uuid.UUID(first)
    assert (read.version, read.variant, str(read)) == (7, uuid.RFC_4122, first)
    assert ids.time_ms(read) == time_us // 1000


def test_ids_of_one_time_are_unique() -> None:
    assert len({ids.uuid7(1) for _ in range(10_000)}) == 10_000
