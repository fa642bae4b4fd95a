"""The text before and after a run."""

from rich.console import Console
from rich.table import Table

from loadgen.exit_codes import MEANING
from loadgen.options import Options
from loadgen.reconciliation.verdict import Reconciliation
from loadgen.report.progress import print_line
from loadgen.report.result import Result
from loadgen.schedule import count_orders, describe
from runtime.exit_codes import ExitCode


def print_opening(console: Console, options: Options) -> None:
    """Print the load, with the seed that reproduces it."""
    total = count_orders(options.profile, options.duration_seconds)
    batch = f" of {options.batch_size}" if options.batch_size > 1 else ""
    print_line(console, f"{total:,} orders over {options.protocol}{batch} to {options.target.url}")
    print_line(console, f"{describe(options.profile)} for {options.duration_seconds:g} s")
    print_line(console, f"seed {options.seed} (reproduce with --seed {options.seed})")


def print_closing(console: Console, result: Result) -> None:
    """Print the result."""
    console.print(_latency_table(result))
    orders = result.orders
    print_line(
        console, f"offered {orders.offered:,}, accepted {orders.accepted:,} ({result.accepted_per_second:,.0f}/s)"
    )
    if orders.failed:
        print_line(
            console, f"failed {orders.failed:,} (unanswered {orders.unanswered:,}, never sent {orders.not_sent:,})"
        )
    for title, counts in (("error", result.errors), ("retried", result.retries)):
        for kind, count in sorted(counts.items()):
            print_line(console, f"{title} {kind}: {count:,}")
    for reason in result.outcome.void_because:
        print_line(console, f"not valid as a benchmark: {reason}")
    if result.reconciliation is not None:
        _print_reconciliation(console, result.reconciliation)
    proven = result.reconciliation is not None or result.exit_code is not ExitCode.OK
    print_line(console, f"{result.outcome.name}: {MEANING[result.exit_code]}" if proven else "not reconciled")


def _print_reconciliation(console: Console, reconciliation: Reconciliation) -> None:
    print_line(console, f"reconciliation: {reconciliation.verdict} ({reconciliation.summary})")
    before, after = reconciliation.before, reconciliation.after
    if before is not None and after is not None:
        revenue = (after.revenue_minor - before.revenue_minor) / 100
        print_line(console, f"counted {after.orders - before.orders:,} orders worth {revenue:,.2f}")
    for line in (*reconciliation.problems, *reconciliation.notes):
        print_line(console, f"  {line}")


def _latency_table(result: Result) -> Table:
    table = Table("ms", *(name.replace("_", ".") for name in result.latency_ms.accepted))
    rows = {"accepted": result.latency_ms.accepted, "schedule lag": result.schedule_lag_ms}
    if result.orders.failed:
        rows["failed"] = result.latency_ms.failed
    for name, figures in rows.items():
        table.add_row(name, *(f"{value:.2f}" for value in figures.values()))
    return table
