"""The options of `ordermesh dlq` that select dead letters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.dead_letters_pb2 import DeadLetter, ListDeadLettersRequest

from cli.times import parse_time
from runtime.timestamps import from_datetime
from stack.errors import SettingInvalid

SOURCES = DeadLetter.Source.keys()[1:]
STATES = DeadLetter.State.keys()[1:]
TYPES = EventType.keys()[1:]

Ids = Annotated[list[str] | None, typer.Argument(help="Ids from `ordermesh dlq list`.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All open dead letters that match the options.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, and show what would be done.")]
Source = Annotated[
    str | None, typer.Option(help="Only of this source: OUTBOX or PROCESSOR.", autocompletion=lambda: SOURCES)
]
Topic = Annotated[str | None, typer.Option(help="Only of this topic.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason, such as UNKNOWN_TYPE.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Only this type, such as ORDER_CREATED.", autocompletion=lambda: TYPES)
]
Key = Annotated[str | None, typer.Option(help="Only of this order or product.")]
Containing = Annotated[str | None, typer.Option("--text", help="Only those whose detail contains this text.")]
Since = Annotated[str, typer.Option(help="Only after this: 90s, 15m, 24h, 7d ago, or a time in RFC 3339.")]
Until = Annotated[str, typer.Option(help="Only before this: 90s, 15m, 24h, 7d ago, or a time in RFC 3339.")]


@dataclass(frozen=True)
class Selection:
    """The values of the options."""

    source: str | None
    topic: str | None
    reason: str | None
    event_type: str | None
    key: str | None
    text: str | None
    since: str
    until: str

    @property
    def is_empty(self) -> bool:
        """Whether no option is given."""
        return not any(getattr(self, field.name) for field in fields(self))

    def request(self, state: str | None = None) -> ListDeadLettersRequest:
        """Return the filters. Raises SettingInvalid."""
        return ListDeadLettersRequest(
            source=one_of("source", self.source, SOURCES),
            topic=self.topic or "",
            reason=self.reason or "",
            event_type=one_of("type", self.event_type, TYPES),
            key=self.key or "",
            text=self.text or "",
            start_time=from_datetime(parse_time(self.since, "--since")) if self.since else None,
            end_time=from_datetime(parse_time(self.until, "--until")) if self.until else None,
            state=one_of("state", state, STATES),
        )


def one_of(option: str, text: str | None, names: list[str]) -> str | None:
    """Return the name of an enum's value. Raises SettingInvalid."""
    if text is None:
        return None
    if text.upper() not in names:
        raise SettingInvalid(f"--{option} must be one of {', '.join(names)}, is {text!r}")
    return text.upper()
