"""The log messages and their fields, from the calls of the logger in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.markdown import head, table
from runtime.telemetry.log_fields import COMMON_FIELDS, FIELDS

PACKAGES = ("orders", "processor", "gateway", "runtime")
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
INTRO = """\
Services write one JSON object a line to standard output (`ORDERMESH_LOG_FORMAT=console` is for people). A message is
constant; what varies is in fields. A field `…` stands for fields that are known only when the line is written.
"""


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
    parts += ["## Fields of every line\n", described(COMMON_FIELDS), "## Other fields\n", described(FIELDS)]
    for package in PACKAGES:
        rows = [
            (one.message, one.level, ", ".join(f"`{name}`" for name in one.fields))
            for one in found
            if one.package == package
        ]
        title = "every service" if package == "runtime" else package
        parts += [f"## Messages of {title}\n", table(("message", "level", "fields"), rows)]
    return "\n".join(parts)


def described(fields: Mapping[str, str]) -> str:
    """Return fields with their meanings."""
    return table(("field", "meaning"), [(f"`{name}`", meaning) for name, meaning in fields.items()])


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
