"""`ordermesh log-level`: the levels of the services' loggers, changed while they run."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.log_levels import parse
from stack.errors import ServerFailed
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder


def log_level(
    levels: Annotated[
        str | None,
        typer.Argument(
            help="A level for all and any for single loggers, such as info,orders.outbox=debug. A logger is "
            "a module or a package of the services, as in the field log.logger, or a library."
        ),
    ] = None,
) -> None:
    """Show the levels of the services' loggers, or change them until the next `up`, within a second."""
    home = default_home()
    if not (home / "log-level").is_file():
        raise ServerFailed(f"no levels in {home}: start the stack with `ordermesh up`")
    state = StateFolder(home)
    if levels is not None:
        try:
            state.write_log_level(str(parse(levels)))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    print(state.log_level.read_text().strip())
