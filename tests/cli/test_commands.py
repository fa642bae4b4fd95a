"""The list of commands, and what happens before one runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperCommand
from typer.main import get_command

from cli.app import COMMANDS, app

CLIENTS = {"grpc", "psycopg", "confluent_kafka", "pydantic", "aiohttp", "stack", "orders", "processor", "gateway"}
PROBE = """
import sys
from cli.app import app
try:
    app(sys.argv[1:], prog_name="ordermesh")
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_help_and_version_import_no_client(option: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, option], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "ordermesh" in done.stdout
    assert not CLIENTS & set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_the_help_of_each_command(name: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        loaded = COMMANDS[name].load(name)
    finally:
        signal.signal(signal.SIGINT, before)
    listed = get_command(app).commands[name]
    assert isinstance(listed, TyperCommand)
    assert listed.help == loaded.help


def test_ctrl_c_while_a_command_is_imported_ends_it_silently(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command = [str(Path(sys.executable).with_name("ordermesh")), "status"]
    child = subprocess.Popen(
        command, env={"PYTHONPATH": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "importing\n"
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (-signal.SIGINT, "")


def test_an_unknown_command_is_answered_with_a_suggestion() -> None:
    command = [str(Path(sys.executable).with_name("ordermesh")), "verfiy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "verify" in done.stderr
