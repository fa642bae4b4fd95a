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

from cli.output.terminal import console, plain_table
from cli.target import ANALYTICS, use_local_kafka
from processor.consume import pauses
from processor.counting import store
from processor.dead_letters import inspection
from processor.dead_letters.inspection import DeadLetterContent, DeadLetterEntry, DeadLetterNotFound, DeadLetterPlace
from processor.dead_letters.redrive import NotRedriven
from processor.dead_letters.redrive import redrive as redrive_dead_letters
from processor.events.decode import Reason
from processor.settings import DatabaseSettings
from runtime.kafka import topics
from stack.errors import ServerFailed, SettingInvalid

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Events that could not be counted: list, show, redrive; resume partitions.",
)
PLACE = typer.Argument(help="topic/partition/offset, as `ordermesh dlq list` shows it.")
Place = Annotated[str, PLACE]
MESSAGES: dict[str, type[OrderEvent] | type[StockEvent]] = {topics.ORDER_EVENTS: OrderEvent, topics.STOCK: StockEvent}
SHOWN_BYTES = 2048
SHOWN_HEADERS = 50
SHOWN_CHARACTERS = 200
ROW_BYTES = 16


def settings() -> DatabaseSettings:
    """Return the settings of the platform, the local stack's where none are given."""
    use_local_kafka()
    return DatabaseSettings(analytics_dsn=SecretStr(ANALYTICS.dsn()))


@app.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    redriven: Annotated[bool, typer.Option("--redriven", help="Show those as well that were sent again.")] = False,
) -> None:
    """List events that could not be counted, the latest first."""
    found = inspection.list_dead_letters(settings(), limit, redriven=redriven)
    if not found:
        console.print("no dead letters")
    else:
        console.print(dead_letters_table(found))
    for pause in paused():
        console.print(pause_line(pause))


def dead_letters_table(entries: Sequence[DeadLetterEntry]) -> Table:
    """Return dead letters as a table."""
    table = plain_table("place", "reason", "parked", "redriven", "event", "detail")
    for entry in entries:
        parked = entry.parked_at.strftime("%Y-%m-%d %H:%M:%S")
        again = entry.redriven_at.strftime("%H:%M:%S") if entry.redriven_at else ""
        table.add_row(entry.name, entry.reason, parked, again, entry.event_id or "", entry.detail)
    return table


def paused() -> list[pauses.Pause]:
    """Return the partitions that are paused or were released."""
    with store.connect(settings().analytics_dsn.get_secret_value()) as connection:
        return pauses.pauses(connection)


def pause_line(pause: pauses.Pause) -> str:
    """Say of a partition that it is paused, or read on though most of it is bad."""
    since = (pause.released_at or pause.paused_at).strftime("%Y-%m-%d %H:%M:%S")
    bad = f"{pause.bad:,} of {pause.records:,} records could not be counted"
    if pause.released_at:
        return f"{pause.name} is read on since {since}, though {bad}"
    return f"{pause.name} is paused since {since}: {bad}; read on with: ordermesh dlq resume {pause.name}"


@app.command()
def resume(
    partitions: Annotated[
        list[str] | None, typer.Argument(help="topic/partition; all that are paused without.")
    ] = None,
) -> None:
    """Read paused partitions on at full speed: what cannot be counted becomes dead letters."""
    try:
        wanted = [pauses.parse_partition(text) for text in partitions or ()]
    except ValueError as error:
        raise SettingInvalid(str(error)) from error
    with store.connect(settings().analytics_dsn.get_secret_value()) as connection:
        released = pauses.release(connection, wanted)
    for topic, number in released:
        console.print(f"{topic}/{number}: read on")
    if missed := set(wanted) - set(released):
        names = ", ".join(f"{topic}/{number}" for topic, number in sorted(missed))
        raise ServerFailed(f"not paused: {names}")
    if not released:
        console.print("no partition is paused")


@app.command()
def show(place: Place) -> None:
    """Show one event as it came: headers, bytes, and what can be read of it."""
    found = find(place)
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
def redrive(places: Annotated[list[str], PLACE]) -> None:
    """Send events again to the topics they came from, as after an upgrade that can read them."""
    try:
        redrive_dead_letters(settings(), [parsed(place) for place in places], print_sent)
    except (DeadLetterNotFound, NotRedriven) as error:
        raise ServerFailed(str(error)) from error


def print_sent(entry: DeadLetterEntry) -> None:
    """Say that an event was sent again: at once, since the next one may fail."""
    lacks = ", without the headers whose names are not UTF-8" if entry.reason == Reason.UNREADABLE_HEADERS else ""
    console.print(f"{entry.name}: sent again{lacks}")


def find(place: str) -> DeadLetterContent:
    """Return a dead letter with its bytes. Raises ServerFailed when there is none."""
    try:
        return inspection.show(settings(), parsed(place))
    except DeadLetterNotFound as error:
        raise ServerFailed(str(error)) from error


def parsed(place: str) -> DeadLetterPlace:
    """Read a place. Raises SettingInvalid that says what it must look like."""
    try:
        return inspection.parse_place(place)
    except ValueError as error:
        raise SettingInvalid(str(error)) from error


def hex_rows(value: bytes) -> str:
    """Return bytes in rows of hex and text."""
    rows = (value[at : at + ROW_BYTES] for at in range(0, len(value), ROW_BYTES))
    return "\n".join(f"{row.hex(' '):<{ROW_BYTES * 3}} {printable(row)}" for row in rows)


def shortened(part: str | bytes | None) -> str:
    """Return a key, a name or a value as it is written in Python, at most so long."""
    if part is None:
        return "none"
    first = part[:SHOWN_CHARACTERS]
    more = f"... ({len(part):,} in all)" if len(part) > SHOWN_CHARACTERS else ""
    return (first if isinstance(first, str) and first.isprintable() else repr(first)) + more


def printable(row: bytes) -> str:
    """Return bytes as text with dots for what cannot be shown."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def readable(topic: str, value: bytes) -> str:
    """Return what the contracts can read of the bytes."""
    try:
        return MessageToJson(MESSAGES[topic].FromString(value), preserving_proto_field_name=True)
    except DecodeError:
        return "no event of the contracts"
