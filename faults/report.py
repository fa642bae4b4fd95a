"""The result file of the fault suite: a row for each scenario as JSON, and a page with the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from faults.run import Row
from loadgen.report.machine import read_commit, read_machine, read_versions

SCHEMA = "ordermesh.faults/1"
RESULTS = Path(__file__).parents[1] / "bench" / "results"
HEAD = (
    "| fault | verdict | Reconcile | others served after | 95 % after | backlog | worst of a bystander | orders "
    "| refused, unknown |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
INTRODUCTION = """# Faults on {brokers}

On {cores} cores ({processor}): {commands}.

Each scenario loads the platform with 50 orders/s that are paid, shipped, cancelled, restocked and sent twice, injects,
repairs, and is judged by the client's acknowledgements, rows by plain SQL and the log. "Others served after" is the
longest time without an accepted order of a bystander (ten a second over REST, one attempt each), "95 % after" the time
from the repair to 95 % of the rate before the fault, "refused, unknown" are calls that ended so after all attempts.

"""


class Report:
    """Collects rows. With a name they are written after each, and the rows of earlier runs of that name stay."""

    def __init__(self, name: str | None, brokers: int, command: str) -> None:
        self.good = True
        self._brokers = brokers
        now = datetime.now(UTC)
        self.path = RESULTS / f"{now:%Y-%m-%d}-{name}.json" if name else None
        self._run = {"command": command, "commit": read_commit(), "started_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}

    def add(self, row: Row) -> None:
        """Add a row, in the place of an earlier one of its scenario, and write the files."""
        self.good &= row.good
        if self.path is None:
            return
        # Read again: another run may add to the same files.
        earlier = json.loads(self.path.read_text()) if self.path.exists() else {}
        runs = [run for run in earlier.get("runs", ()) if run != self._run] + [self._run]
        rows = [each for each in earlier.get("rows", ()) if each["scenario"] != row.scenario] + [asdict(row)]
        rows.sort(key=lambda each: (int(each["scenario"].partition(".")[0][1:]), each["scenario"]))
        heading = {"schema": SCHEMA, "machine": asdict(read_machine()), "versions": read_versions(), "runs": runs}
        self.path.write_text(json.dumps({**heading, "rows": rows}, indent=1) + "\n")
        self.path.with_suffix(".md").write_text(page(self._brokers, runs, [Row(**each) for each in rows]))


def page(brokers: int, runs: Sequence[Mapping[str, str]], rows: Sequence[Row]) -> str:
    """Return the page of a result."""
    machine = read_machine()
    text = INTRODUCTION.format(
        brokers="one broker" if brokers == 1 else "three brokers",
        commands="; ".join(f"`{run['command']}` at {run['started_at']}" for run in runs),
        cores=machine.cores,
        processor=machine.processor,
    )
    return text + HEAD + "".join(map(table_row, rows)) + "".join(map(violations, rows))


def table_row(row: Row) -> str:
    """Return a row of the page's table."""
    cells = (
        f"**{row.scenario}**: {row.what}",
        row.verdict,
        row.reconcile,
        seconds(row.others_served_seconds),
        seconds(row.recovered_seconds),
        f"{row.backlog_orders:,}",
        "none" if row.bystander_worst_ms is None else f"{row.bystander_worst_ms:,.0f} ms",
        f"{row.orders:,}",
        f"{row.refused:,}, {row.unknown:,}",
    )
    return f"| {' | '.join(cells)} |\n"


def violations(row: Row) -> str:
    """Return what a scenario violated, as lines below the table."""
    return "".join(f"\n- {row.scenario}: {one}" for one in row.violations)


def line(row: Row) -> str:
    """Return a row for the terminal."""
    figures = (
        f"{row.scenario:<20} {row.verdict:<10} served {seconds(row.others_served_seconds)}, "
        f"95 % {seconds(row.recovered_seconds)}, backlog {row.backlog_orders:,}, "
        f"worst {row.bystander_worst_ms or 0:,.0f} ms, {row.orders:,} orders, {row.refused:,} refused, "
        f"{row.unknown:,} unknown, {row.took_seconds:.0f} s"
    )
    details = [*row.violations, *(f"{name}: {value}" for name, value in row.notes.items() if name != "reconcile")]
    return "\n".join([figures, *(f"    {detail}" for detail in details)])


def seconds(value: float | None) -> str:
    """Return seconds as text."""
    return "never" if value is None else f"{value:.1f} s"
