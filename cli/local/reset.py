"""`ordermesh reset`: empty the state folder."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output.terminal import console
from cli.target import local_status
from stack.errors import StateInUse
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.supervision.status import read_status

ANEW = " `ordermesh up` starts with empty local servers."


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete orders, events, metrics and logs in the local stack's folder; what is on other servers stays."""
    home = default_home()
    if local_status() is not None:
        raise StateInUse(f"the stack of {home} runs: stop it first with `ordermesh down`")
    if not home.is_dir():
        console.print(f"there is no {home}: nothing was deleted")
        return
    state = StateFolder(home)
    last = read_status(state.status)
    stays = "" if last is None or not last.external_data else f" These stay: {'; '.join(last.external_data)}."
    if not yes:
        typer.confirm(f"All orders, events, metrics and logs in {home} will be deleted.{stays} Delete?", abort=True)
    with state.locked():
        deleted = state.clear()
    console.print(f"deleted in {home}: {', '.join(deleted) or 'nothing'}.{stays or ANEW}", soft_wrap=True)
