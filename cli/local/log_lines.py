"""Parses lines of log files: JSON of our services, text of PostgreSQL, Kafka and Envoy. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runtime.telemetry.console import escaped, shown_json
from runtime.telemetry.log_fields import ECS_VERSION, OWN_PREFIX

# 2026-11-26T10:29:31.614Z of our services and Kafka, 2026-11-26 10:29:30.729 UTC of PostgreSQL and Envoy.
TEXT_LINE = re.compile(
    r"\[?(?P<day>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z| UTC)?\]?\s*(?P<rest>.*)",
    re.DOTALL,
)
LEVEL = re.compile(r"\b(debug|info|log|notice|warn|warning|error|fatal|panic|critical)\b", re.IGNORECASE)
LEVELS = {"log": "info", "notice": "info", "warn": "warning", "fatal": "error", "panic": "error", "critical": "error"}
LEVEL_WITHIN_CHARACTERS = 60
# The fields of time, level and message: of our services and Envoy's access log, and of the programs of Prometheus.
NAMES = (("@timestamp", "log.level", "message"), ("ts", "level", "msg"))
# In Envoy's access log, these replace the message.
REQUEST_FIELDS = ("http.request.method", "url.path", "http.response.status_code")
# Not shown to people: the same on each line of a log, or of no use without the others.
UNSHOWN = ("ecs.version", "service.name", "process.pid", "log.logger")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line; `time` is ISO 8601 in UTC, or that of the line before, empty when there is none.

    `source` is the log that it is from, and `fields` are those of runtime.telemetry.log_fields beside these.
    """

    time: str
    source: str
    level: str
    event: str
    fields: dict[str, Any]

    def as_json(self) -> str:
        """Return the line as JSON, with the fields of every line, also if it was text."""
        head = {"@timestamp": self.time, "log.level": self.level, "message": self.event, "service.name": self.source}
        return shown_json(head | self.fields | {"ecs.version": ECS_VERSION, "event.dataset": self.source})

    def as_text(self, name_width: int) -> str:
        """Return the line as text; fields of clients cannot add lines."""
        shown = {name: value for name, value in self.fields.items() if name not in UNSHOWN}
        event = self.event
        if all(name in shown for name in REQUEST_FIELDS):
            event = " ".join(str(shown.pop(name)) for name in REQUEST_FIELDS)
        fields = " ".join(f"{name.removeprefix(OWN_PREFIX)}={value}" for name, value in shown.items())
        words = f"{self.time[:23].replace('T', ' '):<23}  {self.source:<{name_width}}  {event}  {fields}"
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
    named = next((names for names in NAMES if isinstance(fields.get(names[0]), str)), None)
    if named is None:
        return None
    time, level, message = (str(fields.pop(name, "")) for name in named)
    return LogLine(time, source, LEVELS.get(level, level) or "info", message, fields)


def parse_text(source: str, line: str, earlier: str) -> LogLine:
    """Parse a line of text."""
    found = TEXT_LINE.match(line)
    if found is None:
        return LogLine(earlier, source, "info", line, {})
    level = LEVEL.search(found["rest"][:LEVEL_WITHIN_CHARACTERS])
    word = level[1].lower() if level else "info"
    return LogLine(f"{found['day']}T{found['clock']}Z", source, LEVELS.get(word, word), found["rest"], {})
