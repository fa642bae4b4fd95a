"""`ordermesh reset`: begin anew."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.place import local_status
from cli.screen import console
from stack.errors import StateInUse
from stack.paths import StateFolder, default_home


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete all orders, events, metrics and logs of the local stack, to begin anew."""
    home = default_home()
    if local_status() is not None:
        raise StateInUse(f"the stack of {home} runs: stop it first with `ordermesh down`")
    if not home.is_dir():
        console.print(f"there is no {home}: nothing was deleted")
        return
    if not yes:
        typer.confirm(f"All orders, events, metrics and logs in {home} will be deleted. Delete?", abort=True)
    state = StateFolder(home)
    with state.locked():
        deleted = state.clear()
    console.print(f"deleted in {home}: {', '.join(deleted) or 'nothing'}; `ordermesh up` begins anew")
