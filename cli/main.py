"""The `ordermesh` command line."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli import dead_letters, demo, doctor, lifecycle, load, outbox, settings, topics, verify
from cli.screen import failing

app = typer.Typer(
    name="ordermesh",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Order processing and analytics on one machine: run it, load it, prove that nothing is lost.",
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"ordermesh {version('ordermesh')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Order processing and analytics on one machine: run it, load it, prove that nothing is lost."""


lifecycle.register(app)
demo.register(app)
load.register(app)
verify.register(app)
topics.register(app)
doctor.register(app)
settings.register(app)
app.add_typer(outbox.app, name="outbox", help="Events that Kafka has not taken: list, retry, discard.")
app.add_typer(dead_letters.app, name="dlq", help="Events that could not be counted: list, show, redrive.")


def main() -> None:
    """Run the command line; what is known to go wrong ends in one line, not in a stack trace."""
    with failing():
        app(prog_name="ordermesh")
    sys.exit(0)
