"""`ordermesh outbox list | retry | discard`."""

from __future__ import annotations

from typing import Annotated

import typer
from ordermesh.events.v1.events_pb2 import EventType

from cli.output.terminal import console, errors, plain_table
from cli.target import ORDERS
from orders.outbox import admin
from orders.outbox.admin import EventFilter
from runtime.exit_codes import ExitCode
from stack.errors import SettingInvalid

MAX_ID = 2**63 - 1
MAX_MINUTES = 10 * 365 * 24 * 60

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Events that Kafka has not taken: list, retry, discard."
)
Key = Annotated[str | None, typer.Option(help="Only events of this order or product.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Only this type, such as ORDER_CREATED.", autocompletion=EventType.keys)
]
Cause = Annotated[str | None, typer.Option(help="Only events whose cause holds this text.")]
Older = Annotated[
    int | None, typer.Option("--older-than-minutes", min=0, max=MAX_MINUTES, help="Only events before that.")
]
Ids = Annotated[
    list[int] | None,
    typer.Argument(min=1, max=MAX_ID, help="Ids, as `ordermesh outbox list` shows them.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All dead events, or all that the options leave.")]


@app.command("list")
def list_events(
    status: Annotated[
        list[str] | None,
        typer.Option(help="NEW, FAILED, DEAD or DISCARDED; repeatable.", autocompletion=lambda: admin.STATUSES),
    ] = None,
    key: Key = None,
    event_type: Type = None,
    cause: Cause = None,
    older_minutes: Older = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List events that were not sent, oldest first (FAILED and DEAD unless told otherwise)."""
    wanted = [one.upper() for one in status or ["FAILED", "DEAD"]]
    unknown = sorted(set(wanted) - set(admin.STATUSES))
    if unknown:
        raise SettingInvalid(f"--status must be one of {', '.join(admin.STATUSES)}, is {unknown[0]!r}")
    selected = event_filter(key, event_type, cause, older_minutes)
    rows = admin.list_events(ORDERS.dsn(), wanted, limit, selected)
    if not rows:
        which = "" if selected == EventFilter() else " and as the options say"
        console.print(f"no events are {' or '.join(wanted)}{which}")
        return
    table = plain_table(">id", "status", "type", "key", "occurred", ">bytes", "cause")
    for row in rows:
        when = row.occur_time.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(row.id), row.status, row.event_type, row.key, when, f"{row.payload_bytes:,}", row.cause)
    console.print(table)


@app.command()
def retry(
    ids: Ids = None,
    every: All = False,
    key: Key = None,
    event_type: Type = None,
    cause: Cause = None,
    older_minutes: Older = None,
) -> None:
    """Have dead events published again; their orders' later events follow."""
    meant = dead_events(ids, event_filter(key, event_type, cause, older_minutes), every=every)
    tell(ids, meant, admin.retry(ORDERS.dsn(), meant), "will be published again")


@app.command()
def discard(
    ids: Ids = None,
    every: All = False,
    key: Key = None,
    event_type: Type = None,
    cause: Cause = None,
    older_minutes: Older = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give dead events up for good, so that their orders' later events go on."""
    meant = dead_events(ids, event_filter(key, event_type, cause, older_minutes), every=every)
    if meant and not yes:
        typer.confirm(f"{counted(meant)} will never be counted. Discard?", abort=True)
    tell(ids, meant, admin.discard(ORDERS.dsn(), meant), "discarded")


def event_filter(key: str | None, event_type: str | None, cause: str | None, older_minutes: int | None) -> EventFilter:
    """Return what the options say. Raises SettingInvalid."""
    numbers = dict(EventType.items()[1:])
    if event_type is not None and event_type.upper() not in numbers:
        raise SettingInvalid(f"--type must be one of {', '.join(numbers)}, is {event_type!r}")
    number = None if event_type is None else numbers[event_type.upper()]
    return EventFilter(key, number, cause, older_minutes)


def dead_events(ids: list[int] | None, selected: EventFilter, *, every: bool) -> list[int]:
    """Return the ids that are meant: those given, or those of all dead events that the options leave."""
    by_options = every or selected != EventFilter()
    if bool(ids) == by_options:
        raise typer.BadParameter("name events by their ids, or by --all and the options, and not by both")
    return list(dict.fromkeys(ids)) if ids else admin.find_dead(ORDERS.dsn(), selected)


def tell(asked: list[int] | None, meant: list[int], done: list[int], what: str) -> None:
    """Say what became of the events; that one was not dead is an error when it was named."""
    others = sorted(set(meant) - set(done))
    if asked:
        for one in done:
            console.print(f"{one}: {what}")
    else:
        console.print(f"{counted(done)} {what}" if done else "no such event is DEAD")
    for one in others:
        errors.print(f"{one}: no DEAD event has this id, nothing was done")
    if asked and others:
        raise typer.Exit(ExitCode.DIFFERS)


def counted(ids: list[int]) -> str:
    """Return how many events these are."""
    return "1 event" if len(ids) == 1 else f"{len(ids):,} events"
