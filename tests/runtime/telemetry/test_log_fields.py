"""Every log line has a constant message and fields of the schema."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from frontdoor import access_log

from runtime.telemetry.log_fields import ALL_FIELDS, COMMON_FIELDS, FIELDS, REQUEST_FIELDS, SERVICE_FIELDS
from runtime.telemetry.logging import lost_lines
from runtime.telemetry.logs.lines import Schema

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


# Made by runtime.telemetry.logs, or given by name to code that logs.
INDIRECT = {"component", "customer_hash", "detail", "error_code", "error_type", "lost", "partition", "reason", "topic"}


def test_the_catalogue_has_no_field_that_nothing_logs() -> None:
    logged = {keyword.arg for call in CALLS.values() for keyword in call.keywords}
    assert set(FIELDS) - logged <= INDIRECT


def test_the_line_about_lost_lines_has_the_fields_of_every_line() -> None:
    line = json.loads(lost_lines(Schema("orders"), 3, "disk full"))
    assert {*COMMON_FIELDS, *SERVICE_FIELDS} <= set(line) <= set(ALL_FIELDS)
    assert (line["ordermesh.lost"], line["ordermesh.reason"]) == (3, "disk full")


def test_no_name_is_a_field_and_an_object_of_fields_at_once() -> None:
    parents = {name.rpartition(".")[0] for name in ALL_FIELDS}
    assert not parents & set(ALL_FIELDS)
    assert len({field.name for field in FIELDS.values()}) == len(FIELDS)


def test_each_meaning_is_a_sentence() -> None:
    assert all(field.meaning.endswith(".") for field in ALL_FIELDS.values())


@pytest.mark.parametrize("subjects", [True, False])
def test_the_access_log_has_the_fields_of_the_schema_and_no_other(subjects: bool) -> None:
    over_grpc, over_rest = access_log.access_log("/dev/stdout", subjects=subjects)
    trace = {"trace.id", "span.id"}
    for log, without in ((over_grpc, set()), (over_rest, {"envoy.grpc_status"})):
        names = set(log["typed_config"]["log_format"]["json_format"])
        assert names == {*COMMON_FIELDS, *REQUEST_FIELDS, *trace} - without


LOG4J = ROOT / "stack" / "servers" / "kafka" / "log4j2.xml"


def test_kafkas_own_log_has_the_fields_of_every_line() -> None:
    names = set(re.findall(r"&quot;([a-z@_.]+)&quot;:", LOG4J.read_text()))
    assert {*COMMON_FIELDS} <= names <= set(ALL_FIELDS)
