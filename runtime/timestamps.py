"""The valid range of times in requests, events, records and tokens; pure.

From 1970, where UUIDv7 and Kafka's record times begin, to the end of 9999, where google.protobuf.Timestamp and
Python's datetime end. PostgreSQL's timestamptz and UUIDv7 have a larger range.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

# The dimension of a minute in the metrics, and how a minute is shown.
MINUTE_FORMAT = "%Y-%m-%dT%H:%MZ"
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 10000-01-01T00:00:00Z.
LIMIT_SECONDS = 253_402_300_800
RULE = "must be a time from 1970 to 9999"


def is_time(seconds: int, nanos: int = 0) -> bool:
    """Return whether a time in seconds since 1970 and nanoseconds is in the valid range."""
    return 0 <= seconds < LIMIT_SECONDS and 0 <= nanos < 1_000_000_000


def is_timestamp(moment: Timestamp) -> bool:
    """Return whether a timestamp is in the valid range."""
    return is_time(moment.seconds, moment.nanos)


def to_datetime(moment: Timestamp) -> datetime:
    """Convert a valid timestamp, rounded down to microseconds."""
    return EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000)


def from_datetime(moment: datetime | None) -> Timestamp | None:
    """Convert a time, None to None, as the field of a message has it."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def minute_text(minute_seconds: int) -> str:
    """Format the start of a minute, such as 2026-03-11T22:00Z; outside the valid range as seconds since 1970."""
    if not is_time(minute_seconds):
        return f"at {minute_seconds} s"
    return (EPOCH + timedelta(seconds=minute_seconds)).strftime(MINUTE_FORMAT)


def millisecond_text(milliseconds: int) -> str | None:
    """Format a time in milliseconds since 1970 as RFC 3339 in UTC; None outside the valid range."""
    if not is_time(milliseconds // 1000):
        return None
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
