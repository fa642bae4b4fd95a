"""`ordermesh outbox list | retry | discard`."""

from __future__ import annotations

from typing import Annotated

import typer
from ordermesh.events.v1.events_pb2 import EventType

from cli.operator import origin
from cli.output.formats import date_time, event_count
from cli.output.terminal import console, errors, plain_table
from cli.target import ORDERS
from orders.outbox import admin
from orders.outbox.admin import EventFilter
from runtime.exit_codes import ExitCode
from stack.errors import SettingInvalid

MAX_ID = 2**63 - 1
MAX_MINUTES = 10 * 365 * 24 * 60

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, retry or discard unpublished events of the outbox.",
)
Key = Annotated[str | None, typer.Option(help="Only events of this order or product.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Only this type, such as ORDER_CREATED.", autocompletion=EventType.keys)
]
Cause = Annotated[str | None, typer.Option(help="Only events whose cause contains this text.")]
Older = Annotated[
    int | None, typer.Option("--older-than-minutes", min=0, max=MAX_MINUTES, help="Only events older than this.")
]
Ids = Annotated[
    list[int] | None,
    typer.Argument(min=1, max=MAX_ID, help="Ids from `ordermesh outbox list`.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All dead events that match the options.")]


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
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of events.")] = 50,
) -> None:
    """List events that were not published, oldest first; FAILED and DEAD by default."""
    wanted = [one.upper() for one in status or ["FAILED", "DEAD"]]
    unknown = sorted(set(wanted) - set(admin.STATUSES))
    if unknown:
        raise SettingInvalid(f"--status must be one of {', '.join(admin.STATUSES)}, is {unknown[0]!r}")
    matching = event_filter(key, event_type, cause, older_minutes)
    rows = admin.list_events(ORDERS.dsn(), wanted, limit, matching)
    if not rows:
        which = "" if matching == EventFilter() else " and match the options"
        console.print(f"no events are {' or '.join(wanted)}{which}")
        return
    table = plain_table(">id", "status", "type", "key", "occurred", ">bytes", "cause")
    for row in rows:
        table.add_row(
            str(row.id),
            row.status,
            row.event_type,
            row.key,
            date_time(row.occur_time),
            f"{row.payload_bytes:,}",
            row.cause,
        )
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
    """Publish dead events again, and then the later events of their orders."""
    event_ids = dead_events(ids, event_filter(key, event_type, cause, older_minutes), every=every)
    print_result(ids, event_ids, admin.retry(ORDERS.dsn(), event_ids, origin()), "will be published again")


@app.command()
def discard(
    ids: Ids = None,
    every: All = False,
    key: Key = None,
    event_type: Type = None,
    cause: Cause = None,
    older_minutes: Older = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Discard dead events for good, so that the later events of their orders are published."""
    event_ids = dead_events(ids, event_filter(key, event_type, cause, older_minutes), every=every)
    if event_ids and not yes:
        typer.confirm(f"{event_count(len(event_ids))} will never be counted. Discard?", abort=True)
    print_result(ids, event_ids, admin.discard(ORDERS.dsn(), event_ids, origin()), "discarded")


def event_filter(key: str | None, event_type: str | None, cause: str | None, older_minutes: int | None) -> EventFilter:
    """Return the filter of the options. Raises SettingInvalid."""
    numbers = dict(EventType.items()[1:])
    if event_type is not None and event_type.upper() not in numbers:
        raise SettingInvalid(f"--type must be one of {', '.join(numbers)}, is {event_type!r}")
    number = None if event_type is None else numbers[event_type.upper()]
    return EventFilter(key, number, cause, older_minutes)


def dead_events(ids: list[int] | None, matching: EventFilter, *, every: bool) -> list[int]:
    """Return the given ids, or those of all dead events that match the options. Raises BadParameter."""
    by_options = every or matching != EventFilter()
    if bool(ids) == by_options:
        raise typer.BadParameter("select events either by their ids, or by --all and other options")
    return list(dict.fromkeys(ids)) if ids else admin.find_dead(ORDERS.dsn(), matching)


def print_result(given: list[int] | None, event_ids: list[int], done: list[int], what: str) -> None:
    """Print the result for the events; raise Exit when a given one is not dead."""
    others = sorted(set(event_ids) - set(done))
    if given:
        for one in done:
            console.print(f"{one}: {what}")
    else:
        console.print(f"{event_count(len(done))} {what}" if done else "no DEAD event matches")
    for one in others:
        errors.print(f"{one}: no DEAD event has this id")
    if given and others:
        raise typer.Exit(ExitCode.DIFFERS)
