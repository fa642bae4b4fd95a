"""The commands by name; the code of one is imported when it is called, so `--help` and `--version` are immediate."""

from __future__ import annotations

import importlib
import os
import signal
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

HELP_OPTIONS = ["-h", "--help"]
HELP = "Order processing and analytics on one machine: run it, load it, prove that nothing is lost."


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is: `module:name` of a function or of a Typer application; `help` is its line in the list."""

    place: str
    help: str

    def load(self, name: str) -> Any:
        """Import the command; from then on Ctrl-C raises KeyboardInterrupt."""
        module, _, attribute = self.place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(found, typer.Typer):
            return get_command(found)
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        return get_command(single)


COMMANDS = {
    "up": Entry("cli.local.lifecycle:up", "Start everything on this machine, keep it running, and stop it on Ctrl-C."),
    "down": Entry("cli.local.lifecycle:down", "Stop the stack that runs in another terminal or detached."),
    "status": Entry(
        "cli.local.lifecycle:status",
        "Show every part with its state, address and restarts; the exit code is 0 only when all get on.",
    ),
    "open": Entry("cli.local.open:open_page", "Open the dashboard, or the API documentation, in a browser."),
    "logs": Entry("cli.local.logs:logs", "Show the last log lines of all parts, merged by time."),
    "psql": Entry(
        "cli.local.psql:app",
        "Open psql on a database as a role that only reads; further arguments, as -c, go to psql.",
    ),
    "reset": Entry(
        "cli.local.reset:reset",
        "Delete orders, events, metrics and logs in the local stack's folder; what is on other servers stays.",
    ),
    "fetch": Entry("cli.local.lifecycle:fetch", "Fetch what the local servers need, once; `up` does it too."),
    "demo": Entry(
        "cli.local.demo:demo", "Start a stack of its own, load it, show it live, prove that nothing is lost, stop."
    ),
    "load": Entry("cli.pipeline.load:app", "Send orders on a schedule and prove that each was counted once."),
    "verify": Entry(
        "cli.pipeline.verify:verify", "Compare orders and metrics; the exit code is 0 only when everything agrees."
    ),
    "topics": Entry(
        "cli.topics.topics:app", "Show each topic: partitions, messages held, messages ever, and consumer lag."
    ),
    "doctor": Entry(
        "cli.local.doctor:doctor", "Look at what a stack needs on this machine; say how to get what is missing."
    ),
    "settings": Entry("cli.settings:settings", "Print every setting with its default, as Markdown."),
    "outbox": Entry("cli.pipeline.outbox:app", "Events that Kafka has not taken: list, retry, discard."),
    "dlq": Entry(
        "cli.pipeline.dead_letters:app", "Events that could not be counted: list, show, redrive; resume partitions."
    ),
}


class Commands(TyperGroup):
    """Lists commands by name and help alone; loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command, loaded; one that will do something is refused settings that do not exist."""
        name, listed, rest = super().resolve_command(ctx, args)
        if not ctx.resilient_parsing and not set(HELP_OPTIONS) & set(rest):
            require_known_settings()
        return name, COMMANDS[name].load(name) if name and listed else listed, rest


def require_known_settings() -> None:
    """Raise SettingInvalid when the environment holds an ORDERMESH_ variable that is a setting of no program.

    A misspelled name would let a command work on another folder or server than the one that was meant.
    """
    if any(name.startswith("ORDERMESH_") for name in os.environ):
        from runtime.settings import unknown_settings
        from stack.errors import SettingInvalid

        problems = [f"setting {problem}" for problem in unknown_settings(os.environ)]
        if problems:
            raise SettingInvalid("\n".join(problems))


app = typer.Typer(
    name="ordermesh",
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": HELP_OPTIONS},
    pretty_exceptions_enable=False,
    help=HELP,
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"ordermesh {version('ordermesh')}")
        raise typer.Exit


@app.callback(help=HELP)
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
