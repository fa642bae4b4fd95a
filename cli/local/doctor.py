"""`ordermesh doctor`: checks of this machine."""

from __future__ import annotations

import sys

from rich.text import Text

from cli.output.terminal import console, plain_table
from cli.target import local_status, settings_to_start
from runtime.exit_codes import ExitCode
from stack import machine_checks
from stack.machine.paths import default_home


def doctor() -> None:
    """Check whether this machine can run a stack, and how to fix what is missing."""
    table = plain_table("", "check", "found")
    remedies = []
    for check in machine_checks.check_machine(default_home(), settings_to_start()):
        mark = Text("ok", "green") if check.passed else Text("failed", "red")
        table.add_row(mark, check.name, check.found)
        if not check.passed:
            remedies.append(f"{check.name}: {check.remedy}")
    console.print(table)
    for remedy in remedies:
        console.print(Text.assemble(("* ", "red"), remedy), soft_wrap=True)
    if remedies:
        sys.exit(ExitCode.DIFFERS)
    running = local_status() is not None
    following = (
        "open the dashboard with `ordermesh open`" if running else "start with `ordermesh up` or `ordermesh demo`"
    )
    console.print(f"all checks passed; {following}")
