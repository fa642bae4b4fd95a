"""The commands of `ordermesh` with their arguments and options, from the Typer applications."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc
from typing import Any

from cli.app import COMMANDS, HELP
from generator.markdown import head, table, wrapped


def page() -> str:
    """Return the page."""
    intro = head("Command line", "the code of `cli/`", f"`ordermesh`: {HELP} `--help` of a command shows the same.")
    rows = [(f"[`ordermesh {name}`](#ordermesh-{name})", entry.help) for name, entry in COMMANDS.items()]
    parts = [intro, table(("command", "what it does"), rows)]
    for name, entry in COMMANDS.items():
        parts += sections(f"ordermesh {name}", entry.load(name))
    return "\n".join(parts)


def sections(words: str, command: Any, level: int = 2) -> Iterator[str]:
    """Return a command and the commands below it."""
    text = wrapped(cleandoc(command.help or "").replace("\b", "").strip())
    usage = " ".join([words, *(usage_of(command))])
    parts = [f"{'#' * level} {words}\n", f"{text}\n", f"```text\n{usage}\n```\n"]
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [row(parameter) for parameter in shown if parameter.name not in ("help", "install_completion")]
    if words == "ordermesh load":
        parts.append(f"```text\n{load_help()}\n```\n")
    if rows:
        parts.append(table(("argument or option", "default", "meaning"), rows))
    yield "\n".join(parts)
    for name, below in getattr(command, "commands", {}).items():
        yield from sections(f"{words} {name}", below, level + 1)


def load_help() -> str:
    """Return the help of the load generator, which reads its own options."""
    program = [sys.executable, "-m", "loadgen", "--help"]
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    return done.stdout.strip().replace("python -m loadgen", "ordermesh load")


def usage_of(command: Any) -> Iterator[str]:
    """Return the words of the usage line."""
    if any(parameter.param_type_name == "option" for parameter in command.params):
        yield "[OPTIONS]"
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = (parameter.metavar or parameter.name).upper().strip("[].")
            yield (name if parameter.required else f"[{name}]") + ("..." if parameter.nargs == -1 else "")
    if getattr(command, "commands", None):
        yield "COMMAND"


def row(parameter: Any) -> tuple[str, str, str]:
    """Return one argument or option."""
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [parameter.name]
    kind = kind_of(parameter.type_descriptor.annotation)
    default = parameter.default
    shown = "" if default is None or default is False or callable(default) else f"`{words(default)}`"
    return ", ".join(f"`{name}`" for name in names) + kind, shown, getattr(parameter, "help", "") or ""


def kind_of(annotation: Any) -> str:
    """Return what a value must be; nothing for a flag."""
    if annotation is bool:
        return ""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " " + " or ".join(f"`{one.value}`" for one in annotation)
    many = getattr(annotation, "__args__", ())
    return f" {many[0].__name__}, repeatable" if many else f" {annotation.__name__}"


def words(default: Any) -> str:
    """Return a default as it would be typed."""
    if isinstance(default, Enum):
        return str(default.value)
    return " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
