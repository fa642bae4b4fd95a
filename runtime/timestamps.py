"""Which times may enter: one bound for requests, events, records and tokens; pure.

From 1970, where ids and Kafka's record times begin, to the end of 9999, where google.protobuf.Timestamp and Python's
datetime end. PostgreSQL's timestamptz and a UUIDv7 reach further.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 10000-01-01T00:00:00Z.
LIMIT_SECONDS = 253_402_300_800
RULE = "must be a time from 1970 to 9999"


def is_time(seconds: int, nanos: int = 0) -> bool:
    """Tell whether a time, in seconds since 1970 and nanoseconds, is within the bound."""
    return 0 <= seconds < LIMIT_SECONDS and 0 <= nanos < 1_000_000_000


def is_timestamp(moment: Timestamp) -> bool:
    """Tell whether a message holds a time within the bound."""
    return is_time(moment.seconds, moment.nanos)


def to_datetime(moment: Timestamp) -> datetime:
    """Return a time that is within the bound, in microseconds rounded down."""
    return EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000)


def minute_text(minute_seconds: int) -> str:
    """Return the beginning of a minute, such as 2026-03-11T22:00Z; beyond the bound in seconds since 1970."""
    if not is_time(minute_seconds):
        return f"at {minute_seconds} s"
    return (EPOCH + timedelta(seconds=minute_seconds)).strftime("%Y-%m-%dT%H:%MZ")


def millisecond_text(milliseconds: int) -> str | None:
    """Return a time as people and programs read it; None beyond the bound."""
    if not is_time(milliseconds // 1000):
        return None
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
