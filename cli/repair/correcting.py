"""Corrects the analytics database: removes events, and makes the metrics exact, while workers wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from cli.output.formats import event_count
from cli.output.terminal import console, plain_table
from cli.repair.plan import Plan
from cli.repair.sales import SalesUnknown, counted_sales
from processor.counting.deltas import MONEY, MetricKey
from processor.repair import correction
from processor.repair.correction import Change
from runtime.batched import batched
from runtime.money import major
from runtime.postgres.connection_types import Connection
from stack.identity.operator import origin

# Events that are removed while workers wait.
BATCH_EVENTS = 10_000
SHOWN_CHANGES = 20


@dataclass
class Corrected:
    """How many events were removed, and which metrics changed; why those by product could not be corrected, if so."""

    removed: int = 0
    changes: dict[MetricKey, Change] = field(default_factory=dict)
    sales_unknown: str = ""

    def add(self, removed: int, changes: Sequence[Change]) -> None:
        """Add what one transaction did."""
        self.removed += removed
        for change in changes:
            first = self.changes.get(change.key, change)
            self.changes[change.key] = Change(change.key, first.before, change.after)


def correct(orders: Connection, analytics: Connection, plan: Plan, *, dry_run: bool) -> Corrected:
    """Remove phantoms for good and altered events to be counted again, and set the metrics to what is counted.

    A dry run does the same and rolls it back.
    """
    done = Corrected()
    for batch, for_good in batches(plan, sys.maxsize if dry_run else BATCH_EVENTS):
        with correction.frozen_counting(analytics):
            removed = correction.remove(analytics, batch, for_good=for_good)
            changes = corrected_metrics(orders, analytics, done)
            what = f"{event_count(removed)}, {len(changes):,} metrics"
            correction.record_correction(analytics, origin(), what, removed, changes)
            done.add(removed, changes)
            if dry_run:
                raise psycopg.Rollback
    return done


def batches(plan: Plan, size: int) -> Iterator[tuple[Sequence[str], bool]]:
    """Yield the events to remove at a time, each with whether for good; without any, none, to correct metrics."""
    yield from ((batch, True) for batch in batched(sorted(plan.phantoms), size))
    yield from ((batch, False) for batch in batched(sorted(plan.altered_ids), size))
    if not plan.phantoms and not plan.altered:
        yield [], False


def corrected_metrics(orders: Connection, analytics: Connection, done: Corrected) -> list[Change]:
    """Correct the metrics; those by product too, if the sales of the counted orders are known."""
    try:
        sales = counted_sales(orders, analytics)
    except SalesUnknown as error:
        done.sales_unknown = str(error)
        return correction.correct_metrics(analytics, None)
    return correction.correct_metrics(analytics, sales)


def show_changes(changes: Sequence[Change]) -> None:
    """Print which metrics change."""
    if not changes:
        return
    table = plain_table("metric", "dimension", ">is", ">becomes")
    for change in changes[:SHOWN_CHANGES]:
        table.add_row(*change.key, shown(change, change.before), shown(change, change.after))
    console.print(table)
    if len(changes) > SHOWN_CHANGES:
        console.print(f"and {len(changes) - SHOWN_CHANGES:,} more metrics")


def shown(change: Change, value: int) -> str:
    """Return a value of a metric, money in major units."""
    return f"{major(value):,.2f}" if change.key[0] in MONEY else f"{value:,}"
