"""The values of the Helm chart with their defaults, from values.yaml and the comments above each value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node

from generator.markdown import head, table

VALUES = Path("deploy/helm/ordermesh/values.yaml")
INTRO = (
    "The values of the chart `deploy/helm/ordermesh` ([Kubernetes](../how-to/kubernetes.md)). A name that is not here, "
    "or a value of another kind, is an error that names it (`values.schema.json`)."
)
Row = tuple[str, str, str]


def page(root: Path) -> str:
    """Return the page."""
    text = (root / VALUES).read_text()
    lines = text.splitlines()
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(document, MappingNode)  # noqa: S101  # for the type checker: the file is a mapping
    parts = [head("Helm values", "`deploy/helm/ordermesh/values.yaml`", INTRO)]
    single: list[Row] = []
    sections: list[str] = []
    for key, value in document.value:
        rows = list(leaves(key, value, lines))
        if is_section(value):
            sections.append("\n".join([f"## {key.value}\n", table(("value", "default", "meaning"), rows)]))
        else:
            single += rows
    return "\n".join([*parts, table(("value", "default", "meaning"), single), *sections])


def leaves(key: Node, value: Node, lines: list[str], path: str = "") -> Iterator[Row]:
    """Yield the values below a key; what is written in braces or as a list is one value."""
    name = f"{path}{key.value}"
    if is_section(value):
        if path and (meaning := comment(key, lines)):
            yield f"`{name}`", "", meaning
        for inner, below in value.value:
            yield from leaves(inner, below, lines, f"{name}.")
    else:
        yield f"`{name}`", default(value), comment(key, lines)


def is_section(value: Node) -> bool:
    """Return whether a value is a mapping over several lines."""
    return isinstance(value, MappingNode) and not value.flow_style


def default(value: Node) -> str:
    """Return a default as it would be written in one line."""
    known = yaml.SafeLoader("").construct_document(value)
    return f"`{known if isinstance(known, str) and known else json.dumps(known)}`"


def comment(key: Node, lines: list[str]) -> str:
    """Return the comment directly above a key."""
    found: list[str] = []
    number, indent = key.start_mark.line - 1, " " * key.start_mark.column
    while number >= 0 and lines[number].startswith(f"{indent}#"):
        found.insert(0, lines[number].strip().removeprefix("#").strip())
        number -= 1
    return " ".join(found)
