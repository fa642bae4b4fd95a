"""Times as options of commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from runtime import timestamps
from stack.errors import SettingInvalid

DURATION = re.compile(r"(\d{1,6})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time(text: str, option: str) -> datetime:
    """Return the time of an option: so long ago, or in RFC 3339, in UTC without an offset. Raises SettingInvalid."""
    if short := DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{UNITS[short[2]]: int(short[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingInvalid(f"{option} must be like 15m, 24h, 7d or 2026-01-31T12:00:00Z, is {text!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not timestamps.is_time(int(moment.timestamp())):
        raise SettingInvalid(f"{option} {timestamps.RULE}, is {text!r}")
    return moment
