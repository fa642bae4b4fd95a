"""`ordermesh outbox list | retry | discard`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.place import ORDERS
from cli.screen import console, plain_table
from orders import outbox_admin
from stack.errors import SettingInvalid

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Events that Kafka has not taken: list, retry, discard."
)
Ids = Annotated[list[int], typer.Argument(help="Ids, as `ordermesh outbox list` shows them.")]


@app.command("list")
def list_events(
    status: Annotated[
        list[str] | None,
        typer.Option(help="NEW, FAILED, DEAD or DISCARDED; repeatable.", autocompletion=lambda: outbox_admin.STATUSES),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List events that were not sent, oldest first (FAILED and DEAD unless told otherwise)."""
    wanted = [one.upper() for one in status or ["FAILED", "DEAD"]]
    unknown = sorted(set(wanted) - set(outbox_admin.STATUSES))
    if unknown:
        raise SettingInvalid(f"--status must be one of {', '.join(outbox_admin.STATUSES)}, is {unknown[0]!r}")
    rows = outbox_admin.list_events(ORDERS.dsn(), wanted, limit)
    if not rows:
        console.print(f"no events are {' or '.join(wanted)}")
        return
    table = plain_table(">id", "status", "type", "key", "occurred", ">bytes", "cause")
    for row in rows:
        when = row.occur_time.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(row.id), row.status, row.event_type, row.key, when, f"{row.payload_bytes:,}", row.cause)
    console.print(table)


@app.command()
def retry(ids: Ids) -> None:
    """Have dead events published again; their orders' later events follow."""
    tell(ids, outbox_admin.retry(ORDERS.dsn(), ids), "will be published again")


@app.command()
def discard(ids: Ids, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Give dead events up for good, so that their orders' later events go on."""
    if not yes:
        events = "1 event" if len(ids) == 1 else f"{len(ids)} events"
        typer.confirm(f"{events} will never be counted. Discard?", abort=True)
    tell(ids, outbox_admin.discard(ORDERS.dsn(), ids), "discarded")


def tell(asked: list[int], done: list[int], what: str) -> None:
    """Say what became of each id."""
    for one in asked:
        console.print(f"{one}: {what if one in done else 'is not DEAD, left as it is'}")
