"""The command `python -m bench.abuse`: runs every attack beside a victim and writes a table and a chart."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.abuse import report
from bench.abuse.run import outcomes
from bench.report.result import begin
from faults.attacks.__main__ import ATTACKS
from runtime.exit_codes import ExitCode
from stack.running_stack import running_stack


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m bench.abuse", description=__doc__)
    found.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"{', '.join(ATTACKS)} (default: all)")
    found.add_argument("--seconds", type=float, default=10, help="duration of each attack (default 10)")
    found.add_argument("--rounds", type=int, default=3, help="how often each attack runs (default 3)")
    found.add_argument("--name", default="abuse", help="name of the result file (default abuse)")
    return found


def main(argv: Sequence[str]) -> int:
    """Run the attacks; return DIFFERS when a request of the victim failed."""
    given = parser().parse_args(argv)
    unknown = [name for name in given.attacks if name not in ATTACKS]
    if unknown:
        print(f"python -m bench.abuse: unknown attack {unknown[0]!r}; see --help", file=sys.stderr)
        return ExitCode.USAGE
    machine, done = begin(given.name), []
    with running_stack() as stack:
        for outcome in outcomes(stack, given.attacks or list(ATTACKS), given.seconds, given.rounds):
            done.append(outcome)
            path = report.write(machine, given.seconds, done)
            print(report.row(outcome.as_json()), flush=True)
    command = " ".join(["python -m bench.abuse", *argv])
    print(f"{path}\n{report.draw(path)}\n{report.page(path, command)}")
    return ExitCode.DIFFERS if any(each.failures for each in done) else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
