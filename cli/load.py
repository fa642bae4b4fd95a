"""`ordermesh load`: the load generator, with its own options."""

from __future__ import annotations

import sys

import typer

from cli.place import local_status
from loadgen.__main__ import main as loadgen

app = typer.Typer(add_completion=False)


# The generator reads and explains its own options.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def load(context: typer.Context) -> None:
    """Send orders on a schedule and prove that each was counted once."""
    arguments = list(context.args)
    status = local_status()
    if status is not None and not any(argument.startswith("--target") for argument in arguments):
        arguments = ["--target", status.addresses["rest"], *arguments]
    sys.exit(loadgen(arguments, "ordermesh load"))
