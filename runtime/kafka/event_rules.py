"""The rules for events that the processor and the streams of orders share; pure."""

from __future__ import annotations

import re

UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
EVENT_ID_RULE = "event_id is not a UUIDv7"
# Events this far ahead of the clock are rejected; the processor uses the database's clock, the gateway its own.
AHEAD_SECONDS = 86_400
TOO_NEW = "event_id or occur_time is more than a day ahead of the clock"
SEQUENCE_RULE = "sequence must be 1 or more"


def is_sequence(sequence: int) -> bool:
    """Return whether a number is a valid sequence of an event within its order."""
    return sequence >= 1


def is_too_new(event_id: str, occur_us: int, newest_event_id: str, newest_occur_us: int) -> bool:
    """Return whether an event is too new, by its time or by the time in its id."""
    return event_id >= newest_event_id or occur_us >= newest_occur_us


def newest(now_us: int) -> tuple[str, int]:
    """Return the id and the time from which events are too new, by a clock in microseconds."""
    limit_us = now_us + AHEAD_SECONDS * 1_000_000
    text = f"{limit_us // 1_000:012x}"
    return f"{text[:8]}-{text[8:]}", limit_us
