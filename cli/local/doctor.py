"""`ordermesh doctor`: what this machine lacks, and how to get it."""

from __future__ import annotations

import sys

from rich.text import Text

from cli.output.screen import console, plain_table
from cli.place import local_status, settings_to_start
from runtime.exit_codes import ExitCode
from stack import checks
from stack.machine.paths import default_home


def doctor() -> None:
    """Look at what a stack needs on this machine; say how to get what is missing."""
    table = plain_table("", "what", "found")
    remedies = []
    for finding in checks.examine(default_home(), settings_to_start()):
        mark = Text("ok", "green") if finding.good else Text("missing", "red")
        table.add_row(mark, finding.name, finding.found)
        if not finding.good:
            remedies.append(f"{finding.name}: {finding.remedy}")
    console.print(table)
    for remedy in remedies:
        console.print(Text.assemble(("* ", "red"), remedy), soft_wrap=True)
    if remedies:
        sys.exit(ExitCode.DIFFERS)
    following = (
        "open the dashboard with `ordermesh open`"
        if local_status()
        else "start with `ordermesh up` or `ordermesh demo`"
    )
    console.print(f"everything is there; {following}")
