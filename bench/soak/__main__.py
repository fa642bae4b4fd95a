"""The command `python -m bench.soak`: simulates days in minutes and writes a result file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.report.result import begin
from bench.soak import result
from bench.soak.run import Plan, soak
from faults.injection.clock import LibraryMissing
from runtime.exit_codes import ExitCode


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    found.add_argument("--midnights", type=int, default=40, help="number of midnights, 90 s each (default 40)")
    found.add_argument("--rate", type=float, default=150, metavar="R", help="orders per second (default 150)")
    found.add_argument(
        "--seconds", type=float, default=40, help="duration of the load across each midnight (default 40)"
    )
    found.add_argument("--name", default="soak", help="name of the result file (default soak)")
    return found


def main(argv: Sequence[str]) -> int:
    """Run the soak test, write the result after each midnight, and print the problems."""
    given = parser().parse_args(argv)
    plan = Plan(given.midnights, given.rate, given.seconds)
    machine, nights = begin(given.name), []
    try:
        for night in soak(plan):
            nights.append(night)
            path = result.write(machine, plan, nights)
    except LibraryMissing as error:
        print(f"python -m bench.soak: {error}", file=sys.stderr)
        return ExitCode.START_FAILED
    command = " ".join(["python -m bench.soak", *argv])
    print(f"{path}\n{result.draw(path)}\n{result.page(path, command)}")
    problems = [problem for night in nights for problem in night.problems]
    problems += result.grown(result.growth(nights)) + result.grows_on(result.slopes(nights))
    print("\n".join(problems) or "no problems found")
    return ExitCode.DIFFERS if problems else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
