"""Reads the lines of log files: JSON of our services, and the text of PostgreSQL, Kafka and Envoy. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# 2026-11-26T10:29:31.614Z as our services and Kafka write it, 2026-11-26 10:29:30.729 UTC as PostgreSQL and Envoy do.
TEXT_LINE = re.compile(
    r"\[?(?P<day>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z| UTC)?\]?\s*(?P<rest>.*)"
)
LEVEL = re.compile(r"\b(debug|info|log|notice|warn|warning|error|fatal|panic|critical)\b", re.IGNORECASE)
LEVELS = {"log": "info", "notice": "info", "warn": "warning", "fatal": "error", "panic": "error", "critical": "error"}
LEVEL_WITHIN_CHARACTERS = 60
# What Envoy's access log has in place of an event.
REQUEST_FIELDS = ("method", "path", "status")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; `time` is ISO 8601 in UTC, empty where the line has none and no line before it had one."""

    time: str
    part: str
    level: str
    event: str
    fields: dict[str, Any]

    def as_json(self) -> str:
        """Return the line for programs."""
        head = {"time": self.time, "part": self.part, "level": self.level, "event": self.event}
        return json.dumps(head | self.fields, ensure_ascii=False)

    def as_text(self, part_width: int) -> str:
        """Return the line for people, with characters that a terminal would act on written as escapes."""
        fields = " ".join(f"{name}={value}" for name, value in self.fields.items())
        words = f"{self.time[:23].replace('T', ' '):<23}  {self.part:<{part_width}}  {self.event}  {fields}"
        return shown(words.rstrip())


def shown(text: str) -> str:
    """Return text with control and formatting characters as escapes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def parse(part: str, lines: Iterable[str], earlier: str = "") -> Iterator[LogLine]:
    """Read the lines of one part in order; a line without a time has that of the line before it, `earlier` at first."""
    time = earlier
    for line in lines:
        read = of_json(part, line) or of_text(part, line, time)
        time = read.time
        yield read


def of_json(part: str, line: str) -> LogLine | None:
    """Read a line of JSON with a time; None when it is none."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    time = fields.pop("time", None)
    if not isinstance(time, str):
        return None
    fields.pop("service", None)
    event = str(fields.pop("event", "")) or " ".join(str(fields.pop(name)) for name in REQUEST_FIELDS if name in fields)
    return LogLine(time, part, str(fields.pop("level", "info")), event, fields)


def of_text(part: str, line: str, earlier: str) -> LogLine:
    """Read a line of text."""
    found = TEXT_LINE.match(line)
    if found is None:
        return LogLine(earlier, part, "info", line, {})
    level = LEVEL.search(found["rest"][:LEVEL_WITHIN_CHARACTERS])
    word = level[1].lower() if level else "info"
    return LogLine(f"{found['day']}T{found['clock']}Z", part, LEVELS.get(word, word), found["rest"], {})
