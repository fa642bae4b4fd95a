"""The commands by name; the code of a command is imported when it is called, so that `--help` is immediate."""

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
HELP = "Run the order processing platform on this machine, load it, and verify that no event is lost."


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: `module:name` of its function or Typer application, and its line in the list of commands."""

    path: str
    help: str

    def load(self, name: str) -> Any:
        """Import the command; afterwards Ctrl-C raises KeyboardInterrupt."""
        module, _, attribute = self.path.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(found, typer.Typer):
            return get_command(found)
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        return get_command(single)


COMMANDS = {
    "up": Entry("cli.local.lifecycle:up", "Start a local stack, keep it running, and stop it on Ctrl-C."),
    "down": Entry("cli.local.lifecycle:down", "Stop the local stack that runs detached or in another terminal."),
    "status": Entry(
        "cli.local.lifecycle:status",
        "Show the state, address and restarts of each component; the exit code is 0 when all are ready.",
    ),
    "open": Entry(
        "cli.local.open:open_page",
        "Open the dashboard, the API documentation, or what `up --observe` started, in a browser.",
    ),
    "logs": Entry("cli.local.logs:logs", "Show the last log lines of all components, merged by time."),
    "log-level": Entry(
        "cli.local.log_level:log_level",
        "Show the levels of the services' loggers, or change them until the next `up`, within a second.",
    ),
    "psql": Entry(
        "cli.local.psql:app",
        "Open psql with a read-only role; further arguments, such as -c, are passed to psql.",
    ),
    "reset": Entry(
        "cli.local.reset:reset",
        "Delete all data of the local stack: orders, events, metrics and logs. External servers keep their data.",
    ),
    "backup": Entry(
        "cli.local.backup:app", "Back up the local PostgreSQL, and restore it as it was at a point in time."
    ),
    "fetch": Entry(
        "cli.local.lifecycle:fetch", "Download Apache Kafka and Swagger UI; `up` does it when there is no Kafka."
    ),
    "demo": Entry(
        "cli.demo.demo:demo",
        "Start a temporary stack, load it, verify that no event is lost, and stop it.",
    ),
    "load": Entry("cli.pipeline.load:app", "Send orders at a fixed rate and verify that each is counted exactly once."),
    "verify": Entry("cli.pipeline.verify:verify", "Compare orders and metrics; the exit code is 0 when they agree."),
    "sales": Entry(
        "cli.pipeline.sales:sales", "Show the totals of all orders, and up to when they include what is in Kafka."
    ),
    "order": Entry(
        "cli.pipeline.order:order",
        "Show the life of one order: committed, published, counted; and what is not known any more.",
    ),
    "topics": Entry(
        "cli.topics.topics:app", "Show the partitions, messages and consumer lag of each topic; tail shows events."
    ),
    "doctor": Entry(
        "cli.local.doctor:doctor", "Check whether this machine can run a stack, and how to fix what is missing."
    ),
    "certs": Entry(
        "cli.local.certificates:app", "Create, list or renew certificates of the stack's own authority, for TLS."
    ),
    "settings": Entry("cli.settings:settings", "Print all settings with their defaults as Markdown."),
    "keys": Entry("cli.keys:app", "Create, list, revoke or rotate the API keys of callers."),
    "outbox": Entry(
        "cli.pipeline.outbox:outbox",
        "List events that are not published yet, oldest first. What Kafka rejected is in `ordermesh dlq list`.",
    ),
    "replay": Entry(
        "cli.repair.replay:replay_events",
        "Publish events again: those of a time range, or of some orders; what was counted is not counted again.",
    ),
    "repair": Entry(
        "cli.repair.repair:repair",
        "Repair what a reconciliation names: lost events are published again, phantoms removed, metrics corrected.",
    ),
    "rebuild": Entry(
        "cli.rebuild.rebuild:rebuild_metrics",
        "Count everything anew beside the live metrics, show what differs, and switch; the old ones are kept.",
    ),
    "audit": Entry("cli.pipeline.audit:audit", "Show what operators changed, when and from where."),
    "tokens": Entry("cli.local.tokens:app", "Change the key that signs page tokens and revisions."),
    "dlq": Entry(
        "cli.pipeline.dead_letters:app",
        "Summarize, list, show, redrive or discard dead letters; resume paused partitions.",
    ),
}


class Commands(TyperGroup):
    """Lists the commands without importing them; imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command. Raises SettingInvalid for unknown settings, unless only help is requested."""
        name, listed, rest = super().resolve_command(ctx, args)
        if not ctx.resilient_parsing and not set(HELP_OPTIONS) & set(rest):
            require_known_settings()
        return name, COMMANDS[name].load(name) if name and listed else listed, rest


def require_known_settings() -> None:
    """Raise SettingInvalid for an ORDERMESH_ variable that is not a setting of any program.

    With a misspelled name, a command would use the wrong folder or server.
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
    """Print the version and exit."""
    if wanted:
        typer.echo(f"ordermesh {version('ordermesh')}")
        raise typer.Exit


@app.callback(help=HELP)
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Handle the options before the command."""
