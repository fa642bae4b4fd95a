"""The levels of loggers: the setting, what it means, and changes of its file while a service runs."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import log_levels
from runtime.log_levels import LogLevels, parse
from runtime.telemetry.logs import levels
from runtime.telemetry.logs.levels import Watcher


@pytest.fixture(autouse=True)
def levels_as_before() -> Iterator[None]:
    loggers = [logging.root, *map(logging.getLogger, [*log_levels.PACKAGES, "__main__"])]
    before = [one.level for one in loggers]
    yield
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.NOTSET)
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


def test_a_level_alone_is_that_of_all_loggers_and_others_are_named() -> None:
    assert parse("warning") == LogLevels("warning", {})
    found = parse("info, orders.outbox=debug,librdkafka=error")
    assert found == LogLevels("info", {"orders.outbox": "debug", "librdkafka": "error"})
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must have the levels debug, info, warning, error; has ''"),
        ("loud", "has 'loud'"),
        ("orders.outbox=debug", "has 'orders.outbox=debug'"),
        ("info,debug", "must be a level and then logger=level, such as info,orders.outbox=debug; has 'debug'"),
        ("info,orders.outbox=loud", "has 'loud'"),
        ("info,=debug", "has '=debug'"),
        ("info,orders.outbux=debug", "names no module or package: orders.outbux"),
        ("info,orders/../runtime=debug", "has 'orders/../runtime=debug'"),
        ("info," + "x" * 5000, "must have at most 4096 characters"),
    ],
)
def test_what_is_no_list_of_levels_is_refused_with_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse(text)


def effective(name: str) -> str:
    return logging.getLevelName(logging.getLogger(name).getEffectiveLevel()).lower()


def test_a_level_holds_for_a_logger_and_all_below_it_and_for_libraries_only_if_they_are_named() -> None:
    levels.apply(parse("info,orders.outbox=debug,runtime.grpc=error"))
    assert [effective(name) for name in ("orders.outbox.publisher", "orders.serve", "runtime.grpc.server")] == [
        "debug",
        "info",
        "error",
    ]
    assert effective("some.library") == "warning"
    levels.apply(parse("error,some.library=debug"))
    assert [effective(name) for name in ("orders.outbox.publisher", "some.library")] == ["error", "debug"]
    levels.apply(parse("info"))
    assert [effective(name) for name in ("orders.outbox.publisher", "some.library")] == ["info", "warning"]


def test_a_file_of_levels_is_read_when_it_changes_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "levels"
    path.write_text("info\n")
    known = parse("info")
    changed: list[str] = []
    refused: list[str] = []
    watcher = Watcher(path, known, lambda found: changed.append(str(found)), lambda error: refused.append(str(error)))
    watcher.look()
    assert (changed, refused) == ([], [])
    for text in ("info,orders=debug", "loud", "", "warning\n"):
        path.write_text(text)
        watcher.look()
        watcher.look()
    path.unlink()
    watcher.look()
    assert changed == ["info,orders=debug", "warning"]
    assert refused == ["must have the levels debug, info, warning, error; has 'loud'"]
    replaced = tmp_path / "replaced"
    replaced.write_text("error")
    os.replace(replaced, path)
    watcher.look()
    assert changed[-1] == "error"


# The change is logged before it applies.
PROGRAM = """
import time
from runtime.settings import Settings
from runtime.telemetry import logging
logging.configure("example", Settings.load())
logging.logger().info("ready")
while not logging.debugs("__main__"):
    time.sleep(0.01)
logging.logger().debug("heard")
"""


def test_a_running_program_follows_its_file_of_levels(tmp_path: Path) -> None:
    path = tmp_path / "levels"
    path.write_text("info")
    env = {**os.environ, "ORDERMESH_LOG_LEVEL_FILE": str(path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, env=env, text=True) as program:
        assert program.stdout is not None
        assert json.loads(program.stdout.readline())["message"] == "ready"
        path.write_text("debug")
        told = json.loads(program.stdout.readline())
        assert (told["message"], told["ordermesh.levels"]) == ("log levels changed", "debug")
        assert json.loads(program.stdout.readline())["message"] == "heard"
