"""`ordermesh repair`: mends what a reconciliation names, until both ends agree or nothing more can be done."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from cli.output.formats import event_count
from cli.output.terminal import console
from cli.pipeline.verify import await_verdict, show_response
from cli.repair.correcting import Corrected, correct, show_changes
from cli.repair.databases import analytics_database, orders_database
from cli.repair.dropped import replay_dropped
from cli.repair.lost_orders import export, lost_orders, show_orders
from cli.repair.plan import Finding, Plan, plan_of
from cli.repair.progress import ProgressLine
from cli.repair.replay import show_dropped
from cli.target import Target, front_proxy
from orders.domain.ids import time_ms
from orders.repair.outbox_replay import MINUTE_SECONDS, Selection, replay, select_events
from processor.repair import correction
from runtime import timestamps
from runtime.audit.entries import Action
from runtime.exit_codes import ExitCode
from runtime.postgres.connection_types import Connection
from stack.errors import SettingInvalid
from stack.identity.operator import origin

# Lost events hide orders and products that differ, so that a later reconciliation may find more.
MAX_ROUNDS = 5
# The clock of the publisher, which stamps records, may be behind that of the database.
EARLIER_MS = 600_000

Wait = Annotated[int, typer.Option(min=1, max=300, help="Seconds to wait for events in flight.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove phantoms without asking.")]
Export = Annotated[
    Path | None,
    typer.Option("--export", help="Write what Kafka knows of phantoms to this new file, an order in a line of JSON."),
]


def repair(
    target: Target = None, wait: Wait = 60, dry_run: DryRun = False, yes: Yes = False, export_to: Export = None
) -> None:
    """Repair what a reconciliation names: lost events are published again, phantoms removed, metrics corrected."""
    front, plan = front_proxy(target), Plan()
    if export_to is not None and export_to.exists():
        raise SettingInvalid(f"--export {export_to}: the file exists")
    response = await_verdict(front, wait)
    show_response(response)
    with orders_database() as orders, analytics_database() as analytics:
        for _ in range(MAX_ROUNDS):
            before, plan = plan, plan_of(orders, analytics, response)
            if not plan or plan == before:
                break
            show_plan(plan)
            if plan.phantoms:
                report_phantoms(plan, export_to)
            apply(orders, analytics, plan, dry_run=dry_run, yes=yes)
            response = await_verdict(front, wait)
            show_response(response)
    show_left(response)
    if response.verdict != ReconcileResponse.AGREES:
        sys.exit(ExitCode.DIFFERS)


def apply(orders: Connection, analytics: Connection, plan: Plan, *, dry_run: bool, yes: bool) -> None:
    """Do what the plan says, first what needs no reader of Kafka. A dry run ends here. Raises Abort."""
    if plan.phantoms and not dry_run and not yes:
        typer.confirm(f"{event_count(len(plan.phantoms))} will be removed with their metrics. Remove?", abort=True)
    if plan.corrects:
        show_corrected(correct(orders, analytics, plan, dry_run=dry_run))
    if dry_run:
        console.print("nothing was changed")
        raise typer.Exit(ExitCode.DIFFERS)
    for kind, by_minute in (("lost", plan.lost), ("altered", plan.altered)):
        publish(orders, analytics, kind, by_minute)
    replay_dropped(orders, plan.dropped)


def publish(orders: Connection, analytics: Connection, kind: str, by_minute: Mapping[int, Collection[str]]) -> None:
    """Publish events of the outbox again."""
    progress = ProgressLine()
    for minute, event_ids in sorted(by_minute.items()):
        correction.forget_removed(analytics, event_ids)
        chosen = Selection(minute, minute + MINUTE_SECONDS, event_ids=sorted(event_ids))
        action = Action("repair", f"{kind} events of {timestamps.minute_text(minute)}", None, {})
        replay(
            orders,
            select_events(orders, chosen),
            origin(),
            action,
            lambda state: progress.show(f"{state.published:,} of {event_count(state.events)} published"),
        )
    progress.clear()


def show_plan(plan: Plan) -> None:
    """Print what is to be done."""
    if plan.lost:
        console.print(f"{event_count(plan.lost_count)} lost: to be published again")
    if plan.altered:
        console.print(f"{event_count(len(plan.altered_ids))} with wrong sums: to be removed and published again")
    if plan.phantoms:
        console.print(f"{event_count(len(plan.phantoms))} counted that no order has: to be removed with their metrics")
    if plan.dropped.exchanges or plan.dropped.problems:
        show_dropped(plan.dropped)
    if plan.metrics:
        console.print("metrics differ: to be set to what was counted")


def report_phantoms(plan: Plan, export_to: Path | None) -> None:
    """Print, and export if wanted, what Kafka knows of the phantoms."""
    found = lost_orders(plan.phantoms, min(time_ms(UUID(one)) for one in plan.phantoms) - EARLIER_MS)
    show_orders(found, len(plan.phantoms))
    if export_to is not None and not export_to.exists():
        export(found, export_to)


def show_corrected(done: Corrected) -> None:
    """Print what was corrected."""
    if done.removed:
        console.print(f"{event_count(done.removed)} removed")
    show_changes(list(done.changes.values()))
    if done.sales_unknown:
        console.print(f"metrics by product are left as they are: {done.sales_unknown}")


def show_left(response: ReconcileResponse) -> None:
    """Print what an operator has to decide."""
    kinds = {finding.kind for finding in response.findings}
    if Finding.DEAD in kinds:
        console.print("events that Kafka rejected: ordermesh dlq redrive, or discard")
    if Finding.ORDER in kinds:
        console.print("orders whose status no event tells: somebody changed them without an event; nothing was changed")
