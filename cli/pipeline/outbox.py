"""`ordermesh outbox`: the events that are not published yet."""

from __future__ import annotations

from typing import Annotated

import typer
from ordermesh.events.v1.events_pb2 import EventType

from cli.output.formats import date_time
from cli.output.terminal import console, plain_table
from cli.target import DatabaseTarget
from orders.outbox import pending_events
from orders.outbox.pending_events import PendingFilter
from stack.errors import SettingInvalid
from stack.servers.credentials import VIEWER

MAX_MINUTES = 10 * 365 * 24 * 60
ORDERS = DatabaseTarget("orders_dsn", VIEWER, "orders")
TYPES = dict(EventType.items()[1:])


def outbox(
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="NEW, or FAILED (Kafka did not acknowledge it yet); repeatable.",
            autocompletion=lambda: pending_events.STATUSES,
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Only events of this order or product.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Only this type, such as ORDER_CREATED.", autocompletion=EventType.keys)
    ] = None,
    older_minutes: Annotated[
        int | None, typer.Option("--older-than-minutes", min=0, max=MAX_MINUTES, help="Only events older than this.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of events.")] = 50,
) -> None:
    """List events that are not published yet, oldest first. What Kafka rejected is in `ordermesh dlq list`."""
    wanted = [one.upper() for one in status or pending_events.STATUSES]
    if unknown := sorted(set(wanted) - set(pending_events.STATUSES)):
        raise SettingInvalid(f"--status must be one of {', '.join(pending_events.STATUSES)}, is {unknown[0]!r}")
    if event_type is not None and event_type.upper() not in TYPES:
        raise SettingInvalid(f"--type must be one of {', '.join(TYPES)}, is {event_type!r}")
    number = None if event_type is None else TYPES[event_type.upper()]
    rows = pending_events.list_pending(ORDERS.dsn(), wanted, limit, PendingFilter(key, number, older_minutes))
    if not rows:
        console.print("every event is published, or a dead letter")
        return
    table = plain_table(">id", "status", "type", "key", "occurred", ">bytes", "cause")
    for row in rows:
        occurred, size = date_time(row.occur_time), f"{row.payload_bytes:,}"
        table.add_row(str(row.id), row.status, row.event_type, row.key, occurred, size, row.cause)
    console.print(table)
