"""What a record of the log is decoded into: an event, or a rejection with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from runtime import timestamps

# What an order adds to the sales of one product: product_id, units, revenue_minor.
Line = tuple[str, int, int]


class Reason(StrEnum):
    """Why a record was rejected. Stored with the dead letter."""

    EMPTY = "EMPTY"
    UNDECODABLE = "UNDECODABLE"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    WRONG_KEY = "WRONG_KEY"
    INVALID = "INVALID"
    TOO_OLD = "TOO_OLD"
    TOO_NEW = "TOO_NEW"
    UNREADABLE_HEADERS = "UNREADABLE_HEADERS"
    CRASHED_WORKER = "CRASHED_WORKER"
    UNREADABLE_BATCH = "UNREADABLE_BATCH"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record cannot be counted: the reason, the details, and the event's id and type where they can be read."""

    reason: Reason
    detail: str
    event_id: str | None = None
    event_type: int | None = None


class Event(NamedTuple):
    """The fields of an event that are counted; status and amounts are 0 for events of the topic stock."""

    event_id: str
    order_id: str | None
    type: int
    occur_us: int
    previous_status: int
    status: int
    total_minor: int
    units: int
    lines: Sequence[Line]


class EventWindow(NamedTuple):
    """Which events may be counted: from the oldest id whose counting is still recorded, to before the newest.

    Newer events are so far ahead of the database's clock that they cannot have happened. An id starts with its time.
    """

    oldest_event_id: str
    newest_event_id: str
    newest_occur_us: int


ANY_TIME = EventWindow("", "g", timestamps.LIMIT_SECONDS * 1_000_000)
