"""`ordermesh replay`: events of a time range, or of some orders, into Kafka again."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.output.formats import date_time, event_count
from cli.output.terminal import console
from cli.repair.databases import analytics_database, orders_database
from cli.repair.dropped import DroppedEvents, find_dropped, replay_dropped
from cli.repair.progress import ProgressLine
from cli.times import parse_time
from orders.domain.ids import time_ms
from orders.repair import published
from orders.repair.outbox_replay import Replayed, Selection, replay, select_events
from runtime.audit.entries import Action
from runtime.postgres.connection_types import Connection
from stack.errors import SettingInvalid
from stack.identity.operator import origin

# The clocks of orders processes may be ahead of the database's.
AHEAD = timedelta(minutes=1)
SHOWN_PROBLEMS = 20

From = Annotated[
    str | None, typer.Option("--from", help="First event time: 90s, 15m, 24h, 7d ago, or a time in RFC 3339.")
]
To = Annotated[str | None, typer.Option("--to", help="Event time before which events are; now by default.")]
Orders = Annotated[list[str] | None, typer.Option("--order", help="Only events of this order; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def replay_events(begin: From = None, end: To = None, order: Orders = None, dry_run: DryRun = False) -> None:
    """Publish events again: those of a time range, or of some orders; what was counted is not counted again."""
    chosen = selection(begin, end, order)
    with orders_database() as orders:
        if dry_run:
            show_plan(orders, chosen)
        else:
            show_result(replay_selected(orders, chosen))
        if chosen.start < published.held_since(orders):
            with analytics_database() as analytics:
                dropped = find_dropped(orders, analytics, chosen.start, chosen.end)
            show_dropped(dropped, chosen.orders)
            if not dry_run:
                replay_dropped(orders, dropped, chosen.orders)
    if dry_run:
        console.print("nothing was changed")


def selection(begin: str | None, end: str | None, orders: list[str] | None) -> Selection:
    """Return which events the options select. Raises SettingInvalid."""
    ids = None if orders is None else [order_id(text) for text in orders]
    if begin is None and ids is None:
        raise SettingInvalid("select events by --from, by --order, or by both")
    first = None if begin is None else parse_time(begin, "--from")
    if first is None:
        first = datetime.fromtimestamp(min(time_ms(uuid.UUID(one)) for one in ids or ()) / 1000, UTC)
    last = datetime.now(UTC) + AHEAD if end is None else parse_time(end, "--to")
    if last <= first:
        raise SettingInvalid("--to must be after --from")
    return Selection(first.timestamp(), last.timestamp(), ids)


def order_id(text: str) -> str:
    """Return an order id in its canonical form. Raises SettingInvalid."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise SettingInvalid(f"--order must be the id of an order, is {text!r}") from None


def show_plan(orders: Connection, chosen: Selection) -> None:
    """Print how many events would be published again."""
    progress, events, keys = ProgressLine(), 0, set()
    for some in select_events(orders, chosen):
        events += len(some)
        keys |= {event.key for event in some}
        progress.show(f"{event_count(events)} found")
    progress.clear()
    console.print(f"{event_count(events)} of {len(keys):,} keys in the outbox, to be published again")


def replay_selected(orders: Connection, chosen: Selection) -> Replayed:
    """Publish the selected events again."""
    progress = ProgressLine()
    done = replay(
        orders,
        select_events(orders, chosen),
        origin(),
        replay_action(chosen),
        lambda state: progress.show(f"{state.published:,} of {event_count(state.events)} published"),
    )
    progress.clear()
    return done


def replay_action(chosen: Selection) -> Action:
    """Return the entry of the audit log, without the number of events."""
    times = [date_time(datetime.fromtimestamp(one, UTC)) for one in (chosen.start, chosen.end)]
    after = {} if chosen.orders is None else {"orders": chosen.orders}
    return Action("replay", f"{times[0]} to {times[1]}", None, after)


def show_result(done: Replayed) -> None:
    """Print how many events were published again."""
    console.print(f"{event_count(done.published)} published again")
    if done.blocked:
        console.print(f"{event_count(done.blocked)} will be, after the DEAD events of their orders: ordermesh dlq list")


def show_dropped(dropped: DroppedEvents, order_ids: Collection[str] | None = None) -> None:
    """Print which events are built again from their orders, and why others are not."""
    count = dropped.count(order_ids)
    console.print(f"{event_count(count)} that the outbox has dropped and nobody counted, built again from the orders")
    for problem in dropped.problems[:SHOWN_PROBLEMS]:
        console.print(f"  not built again: {problem}")
    if len(dropped.problems) > SHOWN_PROBLEMS:
        console.print(f"  and {len(dropped.problems) - SHOWN_PROBLEMS:,} more problems")
