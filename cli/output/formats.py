"""How the commands show times and numbers."""

from __future__ import annotations

from datetime import datetime


def date_time(time: datetime) -> str:
    """Return a time with seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def clock_time(time: datetime) -> str:
    """Return a time of the day with seconds."""
    return time.strftime("%H:%M:%S")


def event_count(count: int) -> str:
    """Return a number of events in words."""
    return "1 event" if count == 1 else f"{count:,} events"
