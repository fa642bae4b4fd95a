"""Every log line has a constant message and fields of the catalogue."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.telemetry.log_fields import COMMON_FIELDS, FIELDS
from runtime.telemetry.logging import lost_lines

ROOT = Path(__file__).parents[3]
PACKAGES = ("runtime", "orders", "processor", "gateway")
LEVELS = {"debug", "info", "warning", "error", "critical"}


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call that logs, with its place: `logger().level(...)`, or through a variable or getattr."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            if "logger()" not in text:
                continue
            tree = ast.parse(text)
            bound = {
                target.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign) and "logger()." in ast.unparse(node.value)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and is_log_call(node.func, bound):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def is_log_call(called: ast.expr, bound: set[str]) -> bool:
    """Return whether an expression is a method of the logger, or a variable bound to one."""
    if isinstance(called, ast.Attribute):
        return called.attr in LEVELS and ast.unparse(called.value).endswith("logger()")
    if isinstance(called, ast.Call):
        return ast.unparse(called).startswith("getattr(logger()")
    return isinstance(called, ast.Name) and called.id in bound


CALLS = dict(log_calls())


@pytest.mark.parametrize("place", CALLS)
def test_a_message_is_constant_and_its_fields_are_in_the_catalogue(place: str) -> None:
    call = CALLS[place]
    (message,) = call.args
    # A name stands for one of several constants; text with values would make each line another event.
    assert isinstance(message, (ast.Constant, ast.Name))
    assert {keyword.arg for keyword in call.keywords if keyword.arg} <= set(FIELDS)


def test_the_catalogue_has_no_field_that_nothing_logs() -> None:
    logged = {keyword.arg for call in CALLS.values() for keyword in call.keywords}
    assert set(FIELDS) - logged <= {"lost", "reason", "component", "topic", "partition"}


def test_the_line_about_lost_lines_uses_the_catalogue() -> None:
    assert set(json.loads(lost_lines(3, "disk full"))) <= {*COMMON_FIELDS, *FIELDS}


def test_each_meaning_is_a_sentence() -> None:
    assert all(text.endswith(".") for text in (*FIELDS.values(), *COMMON_FIELDS.values()))
