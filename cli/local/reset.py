"""`ordermesh reset`: deletes the contents of the state folder."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output.terminal import console
from cli.target import require_stopped
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.supervision.status import read_status

FRESH_START = " `ordermesh up` starts with empty local servers."


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False) -> None:
    """Delete all data of the local stack: orders, events, metrics and logs. External servers keep their data."""
    home = default_home()
    require_stopped()
    if not home.is_dir():
        console.print(f"{home} does not exist: nothing was deleted")
        return
    state = StateFolder(home)
    last = read_status(state.status)
    external = [] if last is None else last.external_data
    kept = f" Kept on external servers: {'; '.join(external)}." if external else ""
    if not yes:
        typer.confirm(f"All orders, events, metrics and logs in {home} will be deleted.{kept} Delete?", abort=True)
    with state.locked():
        deleted = state.clear()
    console.print(f"deleted in {home}: {', '.join(deleted) or 'nothing'}.{kept or FRESH_START}", soft_wrap=True)
