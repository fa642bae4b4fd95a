"""The bound of times: its edges are those of google.protobuf.Timestamp, of Python's datetime and of 1970."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from runtime import timestamps

LAST = Timestamp()
LAST.FromJsonString("9999-12-31T23:59:59.999999999Z")


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        (Timestamp(), True),
        (LAST, True),
        (Timestamp(seconds=LAST.seconds + 1), False),
        (Timestamp(seconds=-1, nanos=999_999_999), False),
        (Timestamp(seconds=1, nanos=-1), False),
        (Timestamp(seconds=1, nanos=1_000_000_000), False),
        (Timestamp(seconds=10**15), False),
        (Timestamp(seconds=-(2**63)), False),
    ],
)
def test_times_from_1970_to_9999_may_enter(moment: Timestamp, allowed: bool) -> None:
    assert timestamps.is_timestamp(moment) is allowed


def test_the_last_time_is_a_datetime() -> None:
    assert timestamps.to_datetime(LAST) == datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_773_266_400_123, "2026-03-11T22:00:00.123Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, None),
        (-1, None),
        (2**63 - 1, None),
    ],
)
def test_the_time_of_a_record_is_shown_when_it_is_one(milliseconds: int, text: str | None) -> None:
    assert timestamps.millisecond_text(milliseconds) == text


def test_a_minute_beyond_the_bound_has_a_name_too() -> None:
    assert timestamps.minute_text(LAST.seconds - 59) == "9999-12-31T23:59Z"
    assert timestamps.minute_text(LAST.seconds + 1) == "at 253402300800 s"
