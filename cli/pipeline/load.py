"""`ordermesh load`: the load generator, with its own options."""

from __future__ import annotations

import sys

import typer

from cli.target import require_status
from loadgen.__main__ import main as loadgen
from stack.errors import ServerFailed

app = typer.Typer(add_completion=False)


# The generator reads and explains its own options.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def load(context: typer.Context) -> None:
    """Send orders on a schedule and prove that each was counted once."""
    sys.exit(loadgen(context.args, "ordermesh load", own_front_door))


def own_front_door() -> str:
    """Return the running stack's. Raises ServerFailed when none runs."""
    try:
        return require_status().addresses["rest"]
    except ServerFailed as error:
        raise ServerFailed(f"{error}, or name a front door with --target") from None
