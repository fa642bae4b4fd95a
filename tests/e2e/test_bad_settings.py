"""Settings that do not parse: each program ends with exit code 78 and one line that names the variable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import forked_programs
import pytest
from signed_tokens import TOKEN_KEYS

DSN = "postgresql://nobody:secret-word@127.0.0.1:1/none"
GOOD = {"ORDERMESH_ORDERS_DSN": DSN, "ORDERMESH_ANALYTICS_DSN": DSN, "ORDERMESH_TOKEN_KEYS": TOKEN_KEYS}
Start = Callable[[str, dict[str, str]], subprocess.CompletedProcess[str]]
# One of each program, started by itself.
PROGRAMS = [
    ("orders serve", "ORDERMESH_ORDERS_PROCESSES", "many"),
    ("orders publish", "ORDERMESH_PUBLISHER_BATCH_EVENTS", "-1"),
    ("orders topics", "ORDERMESH_KAFKA_PARTITIONS", "twelve"),
    ("orders migrate", "ORDERMESH_ORDERS_DSN", None),
    ("processor work", "ORDERMESH_PROCESSOR_WORKERS", "65"),
    ("processor serve", "ORDERMESH_ANALYTICS_THREADS", "none"),
    ("processor migrate", "ORDERMESH_ANALYTICS_DSN", None),
    ("gateway", "ORDERMESH_TOKEN_KEYS", None),
    ("cli up", "ORDERMESH_FRONT_PORT", "70000"),
]
FURTHER = [
    ("orders serve", "ORDERMESH_ORDERS_PROCESSES", "0"),
    ("orders serve", "ORDERMESH_ORDERS_DSN", None),
    ("orders serve", "ORDERMESH_LOG_LEVEL", "loud"),
    ("orders serve", "ORDERMESH_TOKEN_KEYS", "secret-word"),
    ("orders serve", "ORDERMESH_ORDERS_PROCESES", "3"),
    ("orders publish", "ORDERMESH_KAFKA_PROPERTIES", "{broken"),
    ("gateway", "ORDERMESH_LOG_FORMAT", "xml"),
    ("gateway", "ORDERMESH_ORDERS_TARGETS", ","),
    ("gateway", "ORDERMESH_FRONT_PROT", "8081"),
    ("cli up", "ORDERMESH_ORDERS_PROCESSES", "two"),
    ("cli up", "ORDERMESH_FRONT_PROT", "8081"),
    ("cli doctor", "ORDERMESH_KAFKA_PORT", "kafka"),
]


def by_itself(command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command.split()], env=env, capture_output=True, text=True, timeout=60)


def forked(command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return forked_programs.run(*command.split(), env=env)


@pytest.mark.parametrize(
    ("start", "command", "variable", "value"),
    [*((by_itself, *case) for case in PROGRAMS), *((forked, *case) for case in FURTHER)],
)
def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    start: Start, command: str, variable: str, value: str | None, tmp_path: os.PathLike[str]
) -> None:
    env = {"PATH": os.environ["PATH"], "ORDERMESH_HOME": os.fspath(tmp_path), **GOOD}
    env.pop(variable, None)
    if value is not None:
        env[variable] = value
    done = start(command, env)
    assert done.returncode == 78, done
    told = [line for line in done.stderr.splitlines() if variable in line]
    assert len(told) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stdout + done.stderr


def test_a_secret_that_does_not_parse_is_not_shown(tmp_path: os.PathLike[str]) -> None:
    env = {"PATH": os.environ["PATH"], "ORDERMESH_ORDERS_DSN_FILE": f"{os.fspath(tmp_path)}/missing"}
    done = forked("orders serve", env)
    assert done.returncode == 78
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["orders serve", "processor work"])
@pytest.mark.parametrize(
    ("given", "least"),
    [
        ({"ORDERMESH_OUTBOX_RETENTION_DAYS": "30"}, 31),
        ({"ORDERMESH_PROCESSOR_RETENTION_DAYS": "7"}, 8),
        ({"ORDERMESH_OUTBOX_RETENTION_DAYS": "3", "ORDERMESH_PROCESSOR_RETENTION_DAYS": "3"}, 4),
    ],
)
def test_counted_events_that_are_forgotten_before_the_outbox_are_refused_by_both_names(
    command: str, given: dict[str, str], least: int
) -> None:
    """The outbox would hold events of which nobody knows any more whether they were counted: they would look lost."""
    env = {"PATH": os.environ["PATH"], **GOOD, **given}
    done = forked(command, env)
    assert done.returncode == 78, done
    (told,) = done.stderr.splitlines()
    assert told.startswith("setting ORDERMESH_PROCESSOR_RETENTION_DAYS")
    assert "ORDERMESH_OUTBOX_RETENTION_DAYS" in told
    assert f"at least {least}" in told
