"""Log lines as each component writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.local.log_lines import LogLine, parse
from cli.local.logs import Tail
from runtime.telemetry.log_fields import COMMON_FIELDS

CASES = [
    (
        '{"message": "x", "log.level": "warning", "@timestamp": "2026-11-26T10:29:31.5Z"}',
        "2026-11-26T10:29:31.5Z",
        "warning",
        "x",
    ),
    (
        '{"caller": "main.go:1", "level": "warn", "msg": "slow", "ts": "2026-11-26T10:29:31.600Z"}',
        "2026-11-26T10:29:31.600Z",
        "warning",
        "slow",
    ),
    ("2026-11-26T10:29:32.150Z WARN Raft stopped", "2026-11-26T10:29:32.150Z", "warning", "WARN Raft stopped"),
    ("2026-11-26 10:29:30.731 UTC [9] FATAL:  no room", "2026-11-26T10:29:30.731Z", "error", "[9] FATAL:  no room"),
    ("[2026-11-26 10:29:34.700][7][error] no port", "2026-11-26T10:29:34.700Z", "error", "[7][error] no port"),
    ("at java.base/Thread.run", "earlier", "info", "at java.base/Thread.run"),
    ("{not JSON", "earlier", "info", "{not JSON"),
]


@pytest.mark.parametrize(("line", "time", "level", "event"), CASES)
def test_a_line_of_any_component_has_its_time_level_and_event(line: str, time: str, level: str, event: str) -> None:
    (read,) = parse("orders", [line], "earlier")
    assert (read.time, read.level, read.event) == (time, level, event)


def test_a_request_is_shown_by_method_path_and_status() -> None:
    request = '"http.response.status_code": 200, "http.request.method": "GET", "url.path": "/orders", "envoy.rpc": "/o"'
    (read,) = parse("access", [f'{{"@timestamp": "2026-11-26T10:29:31Z", "message": "request", {request}}}'])
    assert read.as_text(6) == "2026-11-26 10:29:31Z     access  GET /orders 200  envoy.rpc=/o"


def test_a_line_without_a_time_has_the_time_of_the_line_before() -> None:
    lines = ["2026-11-26T10:00:00.000Z ERROR failed", "  at one", "  at two"]
    assert {line.time for line in parse("kafka", lines)} == {"2026-11-26T10:00:00.000Z"}


def test_a_statement_with_newlines_stays_one_line() -> None:
    forged = "2026-11-26 10:00:01.000 UTC [1] LOG:  forged"
    lines = ["2026-11-26 10:00:00.000 UTC [7] ERROR:  syntax error", f"\t{forged}", f"\t{forged}"]
    (read,) = parse("postgres", lines)
    assert read.time == "2026-11-26T10:00:00.000Z"
    assert read.as_text(8).count("\\n\\t2026") == 2


def test_a_carriage_return_ends_no_line(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(b"2026-11-26 10:00:00.000 UTC [7] ERROR:  no\r2026-11-26 10:00:01.000 UTC [1] LOG:  forged\n")
    tail = Tail(log)
    (read,) = tail.last(10)
    assert read.time == "2026-11-26T10:00:00.000Z"
    with log.open("ab") as file:
        file.write(b"2026-11-26 10:00:02.000 UTC [7] ERROR:  no\r2026-11-26 10:00:03.000 UTC [1] LOG:  forged\n")
    assert [line.time for line in tail.new()] == ["2026-11-26T10:00:02.000Z"]


def test_control_characters_are_escaped() -> None:
    line = LogLine("2026-11-26T10:00:00Z", "orders", "info", "x\x1b[31m\u202ey\x9b", {"customer_id": "a\r\nb"})
    text = line.as_text(6)
    assert text.isprintable()
    assert "x\\x1b[31m\\u202ey\\x9b" in text
    assert "customer_id=a\\r\\nb" in text
    assert json.loads(line.as_json())["customer_id"] == "a\r\nb"


def test_a_field_of_a_line_does_not_hide_the_log_that_it_is_from() -> None:
    line = '{"@timestamp": "2026-11-26T10:00:00.000Z", "message": "component ready", "event.dataset": "orders"}'
    (read,) = parse("supervisor", [line])
    assert json.loads(read.as_json())["event.dataset"] == "supervisor"


def test_text_becomes_a_line_with_the_fields_of_every_line() -> None:
    (read,) = parse("postgres", ["2026-11-26 10:00:00.000 UTC [7] LOG:  ready"])
    assert set(json.loads(read.as_json())) == {*COMMON_FIELDS, "event.dataset"}
