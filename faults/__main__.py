"""The command `python -m faults`: runs scenarios and writes a result file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from faults import report
from faults.run import run_all
from faults.scenario import Scenario, load_all
from runtime.exit_codes import ExitCode

IN_A_NAMESPACE = "FAULTS_IN_A_NAMESPACE"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    found.add_argument("faults", nargs="*", metavar="FAULT", help="such as F12, or F12.killed (default: all)")
    found.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="brokers of Kafka (default 1)")
    found.add_argument("--brief", action="store_true", help="shorten faults that last longer than some seconds")
    found.add_argument("--selection", action="store_true", help="the scenarios of CI, in brief")
    found.add_argument("--list", action="store_true", help="list the scenarios")
    found.add_argument("--name", help="write a result file of this name into bench/results/")
    return found


def chosen(given: argparse.Namespace, known: dict[str, Scenario]) -> list[Scenario]:
    """Return the scenarios of the command line. Raises KeyError for one that does not exist."""
    if given.selection:
        return [one for one in known.values() if one.selected]
    wanted = given.faults or list(known)
    for name in wanted:
        if not any(name in (one.name, one.fault) for one in known.values()):
            raise KeyError(name)
    return [one for one in known.values() if {one.name, one.fault} & set(wanted)]


def main(argv: Sequence[str]) -> int:
    """Run the scenarios; return DIFFERS when one was violated or could not run."""
    given = parser().parse_args(argv)
    known = load_all()
    try:
        scenarios = chosen(given, known)
    except KeyError as error:
        print(f"python -m faults: no fault {error}; --list shows them", file=sys.stderr)
        return ExitCode.USAGE
    if given.list:
        print("\n".join(f"{one.name:<22} {one.what}" for one in scenarios))
        return ExitCode.OK
    if any(one.needs.small_disk for one in scenarios):
        in_a_namespace(argv)
    results = report.Report(given.name, given.brokers, " ".join(["python -m faults", *argv]))
    for row in run_all(scenarios, given.brokers, brief=given.brief or given.selection):
        results.add(row)
        print(report.line(row), flush=True)
    if results.path is not None:
        print(results.path)
    return ExitCode.OK if results.good else ExitCode.DIFFERS


def in_a_namespace(argv: Sequence[str]) -> None:
    """As root, run again in a mount namespace of our own, with which mounts go whatever happens to us."""
    if os.geteuid() == 0 and IN_A_NAMESPACE not in os.environ:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "faults", *argv]
        os.execvpe(command[0], command, {**os.environ, IN_A_NAMESPACE: "1"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
