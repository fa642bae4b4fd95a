"""The exit codes, from the comments of runtime/exit_codes.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from generator.markdown import head, table

SOURCE = "runtime/exit_codes.py"


def page(root: Path) -> str:
    """Return the page."""
    intro = head("Exit codes", f"`{SOURCE}`", "Every program of the project ends with one of these.")
    return f"{intro}\n{table(('code', 'name', 'meaning'), rows(root / SOURCE))}"


def rows(source: Path) -> Iterator[tuple[str, str, str]]:
    """Return code, name and the comment above each value."""
    text = source.read_text()
    lines = text.splitlines()
    [codes] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    for node in codes.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            name = ast.unparse(node.targets[0])
            yield f"`{node.value.value}`", f"`{name}`", comment_above(lines, node.lineno - 1)


def comment_above(lines: list[str], index: int) -> str:
    """Return the comment lines that end right above a line."""
    found: list[str] = []
    while lines[index - 1].strip().startswith("#"):
        index -= 1
        found.insert(0, lines[index].strip().removeprefix("#").strip())
    return " ".join(found)
