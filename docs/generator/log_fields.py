"""The log messages and their fields, from the calls of the logger in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.markdown import head, table
from runtime.telemetry.log_fields import COMMON_FIELDS, FIELDS, READER_FIELDS, REQUEST_FIELDS, SERVICE_FIELDS, Field

PACKAGES = ("orders", "processor", "gateway", "runtime")
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
INTRO = """\
Services, the front proxy and the local Kafka write one JSON object a line, with the field names of the
[Elastic Common Schema](https://www.elastic.co/guide/en/ecs/8.17/index.html); what it does not know has the prefix
`ordermesh.` or `envoy.`. A message is constant; what varies is in fields. How to read, ship and search the lines:
[logs](../how-to/logs.md). `ORDERMESH_LOG_FORMAT=console` is for people.

Among the fields of a message, `…` stands for fields that are known only when the line is written. The fields of a trace
are on each line that is written for a sampled call or event.
"""
TABLES: dict[str, Iterable[Field]] = {
    "Fields of every line": COMMON_FIELDS.values(),
    "Fields of every line of our services": SERVICE_FIELDS.values(),
    "Fields of events": sorted(FIELDS.values(), key=lambda field: field.name),
    "Fields of requests in the front proxy's access log": REQUEST_FIELDS.values(),
    "Added by what reads the files": READER_FIELDS.values(),
}


@dataclass(frozen=True, order=True)
class Line:
    """One call of the logger."""

    package: str
    message: str
    level: str
    fields: tuple[str, ...]


def page(root: Path) -> str:
    """Return the page."""
    found = sorted({line for package in PACKAGES for line in lines_of(root, package)})
    parts = [head("Log fields", "the calls of the logger in the code", INTRO)]
    for heading, known in TABLES.items():
        parts += [f"## {heading}\n", described(known)]
    for package in PACKAGES:
        rows = [
            (one.message, one.level, ", ".join(f"`{name_of(field)}`" for field in one.fields))
            for one in found
            if one.package == package
        ]
        title = "every service" if package == "runtime" else package
        parts += [f"## Messages of {title}\n", table(("message", "level", "fields"), rows)]
    return "\n".join(parts)


def described(fields: Iterable[Field]) -> str:
    """Return fields with their kinds and meanings."""
    return table(("field", "kind", "meaning"), [(f"`{one.name}`", one.kind, one.meaning) for one in fields])


def name_of(field: str) -> str:
    """Return the name of a field in a line by its name in code."""
    return FIELDS[field].name if field in FIELDS else field


def lines_of(root: Path, package: str) -> Iterator[Line]:
    """Return the log lines of a package."""
    for path in sorted((root / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (level := level_of(node)) and node.args:
                for message in messages(node.args[0], tree):
                    yield Line(package, message, level, tuple(fields(node)))


def level_of(node: ast.Call) -> str:
    """Return the level of a call of the logger, nothing of another call."""
    found = isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS and is_logger(node.func.value)
    return node.func.attr if found and isinstance(node.func, ast.Attribute) else ""


def is_logger(node: ast.expr) -> bool:
    """Return whether an expression is a call of `logger`."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == "logger"


def messages(node: ast.expr, tree: ast.Module) -> list[str]:
    """Return the message; of a variable each constant that the module gives it. Raises ValueError for other forms."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if not isinstance(node, ast.Name):
        raise ValueError(f"a log message must be constant, is {ast.unparse(node)}")
    given = [
        one.value for one in ast.walk(tree) if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == node.id
    ]
    return [str(one.value) for one in given if isinstance(one, ast.Constant) and one.value]


def fields(node: ast.Call) -> Iterator[str]:
    """Return the names of the fields of a call."""
    for keyword in node.keywords:
        yield "…" if keyword.arg is None else keyword.arg
