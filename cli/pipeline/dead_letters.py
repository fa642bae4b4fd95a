"""`ordermesh dlq list | show | redrive | resume`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from pydantic import SecretStr
from rich.table import Table

from cli.operator import origin
from cli.output.formats import clock_time, date_time
from cli.output.terminal import console, plain_table
from cli.target import ANALYTICS, use_local_kafka
from processor.consume import pauses
from processor.counting import progress
from processor.dead_letters import inspection
from processor.dead_letters.inspection import DeadLetterContent, DeadLetterEntry, DeadLetterNotFound, DeadLetterPlace
from processor.dead_letters.redrive import NotRedriven
from processor.dead_letters.redrive import redrive as redrive_dead_letters
from processor.events.event import Reason
from processor.settings import EventSettings
from runtime.kafka import topics
from stack.errors import ServerFailed, SettingInvalid

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, show or redrive dead letters; resume paused partitions.",
)
POSITION = typer.Argument(help="topic/partition/offset from `ordermesh dlq list`.")
Position = Annotated[str, POSITION]
MESSAGES: dict[str, type[OrderEvent] | type[StockEvent]] = {topics.ORDER_EVENTS: OrderEvent, topics.STOCK: StockEvent}
SHOWN_BYTES = 2048
SHOWN_HEADERS = 50
SHOWN_CHARACTERS = 200
ROW_BYTES = 16


def settings() -> EventSettings:
    """Return the database settings, those of the local stack by default; sets the Kafka settings too."""
    use_local_kafka()
    return EventSettings(analytics_dsn=SecretStr(ANALYTICS.dsn()))


@app.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of dead letters.")] = 50,
    redriven: Annotated[bool, typer.Option("--redriven", help="Include redriven ones.")] = False,
) -> None:
    """List dead letters, the latest first, and paused partitions."""
    found = inspection.list_dead_letters(settings(), limit, redriven=redriven)
    if not found:
        console.print("no dead letters")
    else:
        console.print(dead_letters_table(found))
    for pause in paused():
        console.print(pause_line(pause))


def dead_letters_table(entries: Sequence[DeadLetterEntry]) -> Table:
    """Return dead letters as a table."""
    table = plain_table("position", "reason", "since", "redriven", "event", "detail")
    for entry in entries:
        since = date_time(entry.created_at)
        redriven = clock_time(entry.redriven_at) if entry.redriven_at else ""
        table.add_row(entry.name, entry.reason, since, redriven, entry.event_id or "", entry.detail)
    return table


def paused() -> list[pauses.Pause]:
    """Return the paused and resumed partitions."""
    with progress.connect(settings().analytics_dsn.get_secret_value()) as connection:
        return pauses.pauses(connection)


def pause_line(pause: pauses.Pause) -> str:
    """Return a line about a partition that is paused, or resumed in spite of many undecodable records."""
    since = date_time(pause.released_at or pause.paused_at)
    bad = f"{pause.bad:,} of {pause.records:,} records could not be counted"
    if pause.released_at:
        return f"{pause.name} was resumed at {since}: {bad}"
    return f"{pause.name} is paused since {since}: {bad}; resume it with: ordermesh dlq resume {pause.name}"


@app.command()
def resume(
    partitions: Annotated[list[str] | None, typer.Argument(help="topic/partition; all paused ones by default.")] = None,
) -> None:
    """Resume paused partitions; records that cannot be counted become dead letters."""
    try:
        wanted = [pauses.parse_partition(text) for text in partitions or ()]
    except ValueError as error:
        raise SettingInvalid(str(error)) from error
    with progress.connect(settings().analytics_dsn.get_secret_value()) as connection:
        released = pauses.release(connection, wanted, origin())
    for topic, number in released:
        console.print(f"{topic}/{number}: resumed")
    if missed := set(wanted) - set(released):
        names = ", ".join(f"{topic}/{number}" for topic, number in sorted(missed))
        raise ServerFailed(f"not paused: {names}")
    if not released:
        console.print("no partition is paused")


@app.command()
def show(position: Position) -> None:
    """Show one dead letter: headers, bytes, and the decoded event if possible."""
    found = find(position)
    console.print(f"{found.entry.name}  {found.entry.reason}  {found.entry.detail}")
    console.print(f"key: {shortened(found.key)}")
    headers: list[tuple[str | bytes, bytes | None]] = [*found.headers, *found.byte_headers]
    for name, value in headers[:SHOWN_HEADERS]:
        console.print(f"header {shortened(name)}: {shortened(value)}")
    if len(headers) > SHOWN_HEADERS:
        console.print(f"... {len(headers) - SHOWN_HEADERS:,} more headers")
    value = found.value or b""
    console.print(f"{len(value):,} bytes:")
    console.print(hex_rows(value[:SHOWN_BYTES]))
    console.print(readable(found.entry.place[0], value))


@app.command()
def redrive(positions: Annotated[list[str], POSITION]) -> None:
    """Send dead letters back to their topics, such as after an upgrade that can decode them."""
    try:
        redrive_dead_letters(settings(), [parsed(position) for position in positions], origin(), print_redriven)
    except (DeadLetterNotFound, NotRedriven) as error:
        raise ServerFailed(str(error)) from error


def print_redriven(entry: DeadLetterEntry) -> None:
    """Print that a dead letter was redriven: at once, since the next one may fail."""
    omitted = ", without the headers whose names are not UTF-8" if entry.reason == Reason.UNREADABLE_HEADERS else ""
    console.print(f"{entry.name}: redriven{omitted}")


def find(position: str) -> DeadLetterContent:
    """Return a dead letter with its bytes. Raises ServerFailed when it does not exist."""
    try:
        return inspection.show(settings(), parsed(position))
    except DeadLetterNotFound as error:
        raise ServerFailed(str(error)) from error


def parsed(position: str) -> DeadLetterPlace:
    """Parse a position. Raises SettingInvalid with the right form."""
    try:
        return inspection.parse_place(position)
    except ValueError as error:
        raise SettingInvalid(str(error)) from error


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


def readable(topic: str, value: bytes) -> str:
    """Return the decoded event as JSON."""
    try:
        return MessageToJson(MESSAGES[topic].FromString(value), preserving_proto_field_name=True)
    except DecodeError:
        return "not an event of the contracts"
