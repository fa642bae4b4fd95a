"""The command `python -m bench.reconciliation`: reconciles growing numbers of orders and writes a result file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.reconciliation.fill import Plan
from bench.reconciliation.run import Point, measure
from bench.report.result import Result, begin
from runtime.exit_codes import ExitCode

SCHEMA = "ordermesh.bench.reconciliation/1"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m bench.reconciliation", description=__doc__)
    found.add_argument(
        "--orders",
        type=int,
        nargs="+",
        default=[1_000_000, 10_000_000],
        help="numbers of orders (default 1 and 10 million)",
    )
    found.add_argument("--days", type=int, default=100, help="the days that they are of (default 100)")
    found.add_argument(
        "--days-with-rows", type=int, default=10_000, help="the last days that have rows, not sums only (default: all)"
    )
    found.add_argument("--name", default="reconciliation", help="name of the result file (default reconciliation)")
    return found


def main(argv: Sequence[str]) -> int:
    """Measure each number of orders, write the result after each, and print the problems."""
    given = parser().parse_args(argv)
    result, points = begin(given.name), []
    for orders in given.orders:
        points.append(measure(Plan.until_now(orders, given.days, given.days_with_rows)))
        path = write(result, points, " ".join(["python -m bench.reconciliation", *argv]))
    problems = [problem for point in points for problem in point.problems]
    print("\n".join([str(path), *problems]))
    return ExitCode.DIFFERS if problems else ExitCode.OK


def write(result: Result, points: Sequence[Point], command: str) -> Path:
    """Write the result with its page, and return the path of the page."""
    found = result.heading(SCHEMA) | {"points": [point.as_json() for point in points]}
    result.path.write_text(json.dumps(found, indent=1) + "\n")
    page = result.path.with_suffix(".md")
    page.write_text("\n".join(lines(found, command)) + "\n")
    return page


def lines(found: dict[str, Any], command: str) -> list[str]:
    """Return the page of a result."""
    points = found["points"]
    heads = (
        "orders",
        "days",
        "with rows",
        "GB",
        "wall ms",
        "CPU ms",
        "of a core, every minute",
        "with differences, ms",
        "named",
    )
    rows = [
        (
            f"{point['orders']:,}",
            point["days"],
            point["days_with_rows"],
            f"{point['database_bytes'] / 1e9:.1f}",
            f"{point['agreeing']['wall_ms_median']} (at most {point['agreeing']['wall_ms_max']})",
            point["agreeing"]["cpu_ms_total"],
            f"{point['agreeing']['share_of_a_core_every_minute']:.2%}",
            ", ".join(f"{one['kind']} {one['wall_ms']}" for one in point["differing"]),
            f"{sum(one['named'] for one in point['differing'])} of {len(point['differing'])}",
        )
        for point in points
    ]
    return [
        "# Reconciliation of growing numbers of orders",
        "",
        f"`{command}`,",
        f"{found['started_at']} to {found['finished_at']}, commit {found['commit']}.",
        "",
        "The CPU is that of all components of the platform, less what they use while nothing is asked; the share of a",
        "core is for one reconciliation a minute. Other programs used "
        + ", ".join(f"{point['agreeing']['cores_elsewhere']}" for point in points)
        + " cores meanwhile.",
        "",
        *table(heads, rows),
        "",
        "How long it took to fill, in seconds, in two sessions at a time, and how long the migration to ledgers takes",
        "to sum up a million orders while it locks them, measured with those of the last two days.",
        "",
        *table(
            ("orders", *points[0]["fill_seconds"], "migration, s per million"),
            [
                (f"{point['orders']:,}", *point["fill_seconds"].values(), point["migration_seconds_per_million"])
                for point in points
            ],
        ),
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a table in Markdown."""
    return [line(heads), "|---" * len(heads) + "|", *map(line, rows)]


def line(cells: Sequence[object]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
