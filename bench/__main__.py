"""The command `python -m bench`: runs suites, writes a result file, and draws charts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.loads import h2load
from bench.report import baseline_check
from bench.report.result import Result, begin, read
from bench.report.summary import markdown
from bench.suites import selection
from bench.suites.selection import SUITES, Plan
from runtime.exit_codes import ExitCode

QUICK = Plan(
    seconds=3,
    rounds=1,
    peer_seconds=3,
    flood_seconds=3,
    lever_seconds=2,
    steady_seconds=5,
    long_seconds=10,
    step_seconds=2,
    events=60_000,
    snapshot_seconds=5,
    scale_seconds=3,
    say=print,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    found.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} (default: all)")
    found.add_argument("--name", default="all", help="name of the result file (default: all)")
    found.add_argument("--quick", action="store_true", help="short runs that only test the code")
    found.add_argument("--check", action="store_true", help="compare the peaks with the committed baseline")
    found.add_argument("--save-baseline", metavar="FILE", type=Path, help="save this result as the baseline and exit")
    found.add_argument(
        "--draw", metavar="FILE", type=Path, help="write summary and charts of this result again and exit"
    )
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    given = parser().parse_args(argv)
    unknown = [name for name in given.suites if name not in SUITES]
    if unknown:
        print(f"python -m bench: unknown suite {unknown[0]!r}; suites are {', '.join(SUITES)}", file=sys.stderr)
        return ExitCode.USAGE
    if given.save_baseline:
        baseline_check.save(read(given.save_baseline))
        return ExitCode.OK
    if given.draw:
        report(read(given.draw))
        return ExitCode.OK
    return measure(given)


def measure(given: argparse.Namespace) -> int:
    """Run the suites and report; a failed suite does not stop the others."""
    try:
        h2load.program()
    except h2load.ClientMissing as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return ExitCode.START_FAILED
    plan, result = QUICK if given.quick else Plan(), begin(given.name)
    for name in given.suites or (["peaks"] if given.check else list(SUITES)):
        print(f"--- {name}", flush=True)
        with selection.problems_recorded(result, name):
            SUITES[name](result, plan)
        result.write()
    report(result)
    if given.check:
        print("\n".join(baseline_check.report(baseline_check.compare(result))))
    return ExitCode.OK


def report(result: Result) -> None:
    """Write the summary, and the charts if matplotlib is installed."""
    path = result.path
    text = markdown(result)
    path.with_suffix(".md").write_text(text)
    print(text)
    try:
        from bench.report import plots
    except ImportError:
        print("charts skipped: matplotlib is not installed")
        return
    for drawn in plots.draw(result, path.with_suffix("")):
        print(drawn)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
