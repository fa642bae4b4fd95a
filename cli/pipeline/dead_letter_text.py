"""Dead letters as text: tables of groups and of dead letters, and one with its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.dead_letters_pb2 import DeadLetter, DeadLetterContent, DeadLetterSummary
from rich.table import Table

from cli.output.formats import date_time
from cli.output.terminal import plain_table

SHOWN_BYTES = 2048
SHOWN_HEADERS = 50
SHOWN_CHARACTERS = 200
ROW_BYTES = 16


def groups_table(summary: DeadLetterSummary) -> Table:
    """Return the groups as a table."""
    table = plain_table("day", "source", "topic", "reason", "type", ">dead letters", "oldest", "newest")
    for group in summary.groups:
        table.add_row(
            time_text(group.day_start_time)[:10],
            DeadLetter.Source.Name(group.source),
            group.topic,
            group.reason,
            type_text(group.event_type),
            f"{group.dead_letters:,}",
            time_text(group.oldest_time),
            time_text(group.newest_time),
        )
    return table


def pause_line(pause: DeadLetterSummary.PausedPartition) -> str:
    """Return a line about a partition that is paused, or resumed in spite of many undecodable records."""
    name, bad = f"{pause.topic}/{pause.partition}", f"{pause.bad:,} of {pause.records:,} records could not be counted"
    if pause.HasField("resume_time"):
        return f"{name} was resumed at {time_text(pause.resume_time)}: {bad}"
    return f"{name} is paused since {time_text(pause.pause_time)}: {bad}; resume it with: ordermesh dlq resume {name}"


def dead_letters_table(dead_letters: Iterable[DeadLetter]) -> Table:
    """Return dead letters as a table."""
    table = plain_table("id", "reason", "type", "since", "state", "key", "detail")
    for one in dead_letters:
        state = DeadLetter.State.Name(one.state)
        since = time_text(one.create_time)
        table.add_row(one.dead_letter_id, one.reason, type_text(one.event_type), since, state, one.key, one.detail)
    return table


def content_lines(content: DeadLetterContent) -> Iterator[str]:
    """Yield the lines that show one dead letter."""
    head = content.dead_letter
    yield f"{head.dead_letter_id}  {DeadLetter.State.Name(head.state)}  {head.reason}  {head.detail}"
    for change in content.changes:
        yield f"{time_text(change.change_time)}  {change.action} by {change.subject} from {change.client_address}"
    if content.missing:
        yield content.missing
        return
    yield f"key: {shortened(content.key if content.HasField('key') else None)}"
    headers = [*content.headers, *content.cause_headers]
    for header in headers[:SHOWN_HEADERS]:
        value = header.value if header.HasField("value") else None
        yield f"header {shortened(header.name or header.name_bytes)}: {shortened(value)}"
    if len(headers) > SHOWN_HEADERS:
        yield f"... {len(headers) - SHOWN_HEADERS:,} more headers"
    yield f"{len(content.value):,} bytes:"
    yield hex_rows(content.value[:SHOWN_BYTES])
    kind = content.WhichOneof("event")
    event = getattr(content, kind) if kind else None
    yield MessageToJson(event, preserving_proto_field_name=True) if event else "not an event of the contracts"


def type_text(number: EventType) -> str:
    """Return the name of a type, empty for none."""
    return EventType.Name(number) if number else ""


def time_text(time: Timestamp) -> str:
    """Return a time in UTC with seconds."""
    return date_time(time.ToDatetime())


def hex_rows(value: bytes) -> str:
    """Return bytes as a hex dump."""
    rows = (value[at : at + ROW_BYTES] for at in range(0, len(value), ROW_BYTES))
    return "\n".join(f"{row.hex(' '):<{ROW_BYTES * 3}} {printable(row)}" for row in rows)


def shortened(value: str | bytes | None) -> str:
    """Return a key, name or value as a Python literal, at most SHOWN_CHARACTERS long."""
    if value is None:
        return "none"
    first = value[:SHOWN_CHARACTERS]
    more = f"... ({len(value):,} in total)" if len(value) > SHOWN_CHARACTERS else ""
    return (first if isinstance(first, str) and first.isprintable() else repr(first)) + more


def printable(row: bytes) -> str:
    """Return bytes as ASCII with dots for other characters."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
