"""Parses lines of log files: JSON of our services, text of PostgreSQL, Kafka and Envoy. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runtime.telemetry.console import escaped, shown_json

# 2026-11-26T10:29:31.614Z of our services and Kafka, 2026-11-26 10:29:30.729 UTC of PostgreSQL and Envoy.
TEXT_LINE = re.compile(
    r"\[?(?P<day>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z| UTC)?\]?\s*(?P<rest>.*)",
    re.DOTALL,
)
LEVEL = re.compile(r"\b(debug|info|log|notice|warn|warning|error|fatal|panic|critical)\b", re.IGNORECASE)
LEVELS = {"log": "info", "notice": "info", "warn": "warning", "fatal": "error", "panic": "error", "critical": "error"}
LEVEL_WITHIN_CHARACTERS = 60
# In Envoy's access log, these replace an event.
REQUEST_FIELDS = ("method", "path", "status")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line; `time` is ISO 8601 in UTC, or that of the line before, empty when there is none."""

    time: str
    source: str
    level: str
    event: str
    fields: dict[str, Any]

    def as_json(self) -> str:
        """Return the line as JSON."""
        head = {"time": self.time, "source": self.source, "level": self.level, "event": self.event}
        return shown_json(head | self.fields)

    def as_text(self, name_width: int) -> str:
        """Return the line as text; fields of clients cannot add lines."""
        fields = " ".join(f"{name}={value}" for name, value in self.fields.items())
        words = f"{self.time[:23].replace('T', ' '):<23}  {self.source:<{name_width}}  {self.event}  {fields}"
        return escaped(words.rstrip())


def parse(source: str, lines: Iterable[str], earlier: str = "") -> Iterator[LogLine]:
    """Parse the lines of one log in order; a line without a time has that of the one before, first `earlier`.

    PostgreSQL writes a text with newlines, such as a statement, with a tab after each: it stays one line.
    """
    time = earlier
    for line in whole(lines) if source == "postgres" else lines:
        read = parse_json(source, line) or parse_text(source, line, time)
        time = read.time
        yield read


def whole(lines: Iterable[str]) -> Iterator[str]:
    """Append to each line those that continue it."""
    begun: str | None = None
    for line in lines:
        if begun is not None and line.startswith("\t"):
            begun += f"\n{line}"
            continue
        if begun is not None:
            yield begun
        begun = line
    if begun is not None:
        yield begun


def parse_json(source: str, line: str) -> LogLine | None:
    """Parse a line of JSON with a time; None when it is not one."""
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
    return LogLine(time, source, str(fields.pop("level", "info")), event, fields)


def parse_text(source: str, line: str, earlier: str) -> LogLine:
    """Parse a line of text."""
    found = TEXT_LINE.match(line)
    if found is None:
        return LogLine(earlier, source, "info", line, {})
    level = LEVEL.search(found["rest"][:LEVEL_WITHIN_CHARACTERS])
    word = level[1].lower() if level else "info"
    return LogLine(f"{found['day']}T{found['clock']}Z", source, LEVELS.get(word, word), found["rest"], {})
