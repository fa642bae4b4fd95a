"""`ordermesh rebuild`: makes the metrics anew beside the live ones, compares them, and puts them in their place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import psycopg
import typer

from cli.output.formats import event_count
from cli.output.terminal import console
from cli.rebuild.log_source import LogSource
from cli.rebuild.orders_source import OrdersSource
from cli.rebuild.source import NotRebuilt, Rebuilt, Source
from cli.repair.correcting import show_changes
from cli.repair.databases import analytics_database, orders_database
from processor.repair import rebuild
from processor.repair.correction import Change, frozen_counting
from runtime.audit.entries import Action, record
from runtime.exit_codes import ExitCode
from runtime.postgres.connection_types import Connection
from stack.errors import ServerFailed, SettingInvalid
from stack.identity.operator import origin


class From(StrEnum):
    """What to rebuild from."""

    ORDERS = "orders"
    LOG = "log"


Chosen = Annotated[From, typer.Option("--from", help="orders: the orders database. log: the events that Kafka holds.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which metrics would change.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Rollback = Annotated[bool, typer.Option("--rollback", help="Put the tables back that the last rebuild replaced.")]
DropOld = Annotated[bool, typer.Option("--drop-old", help="Drop the tables that the last rebuild replaced.")]


def rebuild_metrics(
    chosen: Chosen = From.ORDERS,
    dry_run: DryRun = False,
    yes: Yes = False,
    rollback: Rollback = False,
    drop_old: DropOld = False,
) -> None:
    """Count everything anew beside the live metrics, show what differs, and switch; the old ones are kept."""
    if rollback + drop_old + dry_run > 1:
        raise SettingInvalid("--rollback, --drop-old and --dry-run exclude each other")
    with analytics_database() as analytics:
        kept = rebuild.has_replaced(analytics)
        if rollback or drop_old:
            if not kept:
                raise ServerFailed("there are no tables that a rebuild replaced")
            roll_back(analytics) if rollback else drop_replaced(analytics)
        elif kept and not dry_run:
            raise ServerFailed("the tables of before the last rebuild are kept: --rollback or --drop-old first")
        else:
            with orders_database() as orders:
                run(orders, analytics, chosen, dry_run=dry_run, yes=yes)


def run(orders: Connection, analytics: Connection, chosen: From, *, dry_run: bool, yes: bool) -> None:
    """Rebuild, and switch unless it is a dry run. Raises Abort."""
    rebuild.begin(analytics)
    try:
        source: Source = OrdersSource(orders, analytics) if chosen == From.ORDERS else LogSource(analytics)
        source.fill()
        if dry_run or not yes:
            with rebuilt(analytics, source) as (changes, _):
                show_differences(changes)
                raise psycopg.Rollback
            if dry_run:
                console.print("nothing was changed")
                sys.exit(ExitCode.DIFFERS if changes else ExitCode.OK)
            typer.confirm("Put the rebuilt metrics in the place of these?", abort=True)
        with rebuilt(analytics, source) as (changes, found):
            rebuild.switch(analytics, found.complete_from, found.covered_from)
            record_change(analytics, "rebuild", f"from {chosen}", changes)
    except NotRebuilt as error:
        raise ServerFailed(str(error)) from error
    finally:
        rebuild.drop(analytics)
    show_differences(changes)
    console.print("the rebuilt metrics are live; those before are kept: --rollback, or --drop-old")


@contextmanager
def rebuilt(analytics: Connection, source: Source) -> Iterator[tuple[list[Change], Rebuilt]]:
    """Open a transaction in which no worker counts and the rebuilt tables are exact, with what they would change."""
    with frozen_counting(analytics):
        found = source.finish()
        rebuild.fill_metrics(analytics, found.sales)
        yield rebuild.differences(analytics), found


def roll_back(analytics: Connection) -> None:
    """Put the replaced tables back."""
    with analytics.transaction():
        kept = rebuild.roll_back(analytics)
        record_change(analytics, "rebuild --rollback", event_count(kept), [])
    console.print(f"the metrics of before the rebuild are live again, with {event_count(kept)} counted since")


def drop_replaced(analytics: Connection) -> None:
    """Drop the replaced tables."""
    with analytics.transaction():
        rebuild.drop_replaced(analytics)
        record_change(analytics, "rebuild --drop-old", "replaced", [])
    console.print("the tables of before the rebuild are dropped")


def record_change(analytics: Connection, action: str, target: str, changes: list[Change]) -> None:
    """Append an entry of the audit log."""
    record(analytics, origin(), Action(action, target, None, {"metrics": len(changes)}))


def show_differences(changes: list[Change]) -> None:
    """Print what differs."""
    console.print(f"{len(changes):,} metrics differ" if changes else "no metric differs")
    show_changes(changes)
