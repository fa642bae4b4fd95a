"""`ordermesh settings`: every setting of every program, from the code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Annotated

import typer
from annotated_types import Ge, Gt, Le, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import gateway.settings
import orders.settings
import processor.settings
from cli.topics.topics import GroupSettings
from runtime.settings import PREFIX, Settings
from stack.settings import StackSettings

PROGRAMS: dict[str, type[Settings]] = {
    "every program": Settings,
    "orders serve": orders.settings.ServeSettings,
    "orders publish": orders.settings.PublisherSettings,
    "orders topics": orders.settings.TopicSettings,
    "processor work": processor.settings.WorkSettings,
    "processor serve": processor.settings.ServeSettings,
    "gateway": gateway.settings.GatewaySettings,
    "ordermesh up": StackSettings,
    "ordermesh topics": GroupSettings,
}
HEAD = f"""\
# Settings

Made by `ordermesh settings`. Each is an environment variable; with `_FILE` behind its name the value is read from a
file, which is the way for secrets: `{PREFIX}ORDERS_DSN_FILE=/run/secrets/orders-dsn`.
A value that does not fit, and a variable `{PREFIX}...` that is no setting, end the program with exit code 78 and a line
that names it.
`{PREFIX}HOME` is the folder of the local stack's state (`~/.local/state/ordermesh`; `/var/lib/ordermesh` for root).
"""
# Read before any settings are, or by docker-compose.yml.
OTHER_NAMES = ("HOME", "IMAGE", "KAFKA_UI_PORT", "PGADMIN_PORT")
BOUNDS = {Ge: "at least", Gt: "above", Le: "at most"}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of one program."""

    variable: str
    default: str
    rule: str
    description: str


def settings(
    names: Annotated[bool, typer.Option("--names", help="Print the names alone.")] = False,
) -> None:
    """Print every setting with its default, as Markdown."""
    typer.echo("\n".join([*all_names(), ""]) if names else table(), nl=False)


def all_names() -> list[str]:
    """Return the variables of all programs."""
    fields = {name.upper() for kind in PROGRAMS.values() for name in kind.model_fields}
    return sorted(f"{PREFIX}{name}" for name in fields | set(OTHER_NAMES))


def table() -> str:
    """Return the settings of every program as Markdown."""
    parts = [HEAD]
    common = set(Settings.model_fields)
    for program, kind in PROGRAMS.items():
        own = [row(name, field) for name, field in kind.model_fields.items() if kind is Settings or name not in common]
        lines = [f"| `{one.variable}` | {one.default} | {one.rule} | {one.description} |" for one in own]
        parts.append(
            "\n".join([f"## {program}", "| setting | default | must be | |", "|---|---|---|---|", *lines]) + "\n"
        )
    return "\n".join(parts)


def row(name: str, field: FieldInfo) -> Row:
    """Return one setting as a row."""
    required = field.default is PydanticUndefined
    default = "required" if required else f"`{written(field.default)}`" if field.default not in (None, "") else "none"
    kind = "secret" if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())) else ""
    rule = ", ".join(filter(None, [kind, *bounds(field), *choices(field)]))
    return Row(f"{PREFIX}{name.upper()}", default, rule, field.description or "")


def written(value: object) -> str:
    """Return a value as the environment holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def bounds(field: FieldInfo) -> Iterator[str]:
    """Say what a number or a list must keep to."""
    for limit in field.metadata:
        if isinstance(limit, Ge | Gt | Le):
            (bound,) = astuple(limit)
            yield f"{BOUNDS[type(limit)]} {bound}"
        elif isinstance(limit, MinLen):
            yield "not empty"


def choices(field: FieldInfo) -> list[str]:
    """Name the words that a setting allows, if it does not take any."""
    words = [word for word in getattr(field.annotation, "__args__", ()) if isinstance(word, str)]
    return [" or ".join(words)] if words else []
