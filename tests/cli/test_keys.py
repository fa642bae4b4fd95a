"""`ordermesh keys` without a stack: what it prints and refuses, and where keys are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.keys import app
from cli.local.lifecycle import examples
from stack.errors import SettingInvalid
from stack.identity.key_registry import KeyRegistry
from stack.machine.paths import HOME_SETTING
from stack.machine.state_folder import StateFolder

ROOT = Path(__file__).parents[2]
# A command line in which the shell puts a credential.
SHOWN = re.compile(r"""(-H|--header)[ =]("[^"']*|[^"' ]*)\$|-H[ =]"(authorization|x-api-key)[^"]*\$""")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_SETTING, str(tmp_path))
    return tmp_path


def test_a_key_for_nobody_is_refused(home: Path) -> None:
    done = CliRunner().invoke(app, ["create", "--role", "customer", "--subject", ""])
    assert isinstance(done.exception, SettingInvalid)
    assert "--subject must have 1 to 128" in str(done.exception)
    assert KeyRegistry(StateFolder(home)).current() == []


def test_the_operators_key_is_printed_as_a_header_for_a_pipe(home: Path) -> None:
    done = CliRunner().invoke(app, ["operator", "--header"])
    key = StateFolder(home).operator_key.read_text().strip()
    assert done.stdout == f"authorization: Bearer {key}\n"


@pytest.mark.parametrize("shown", ["README.md", "docker-compose.yml", "tests/compose/run.sh", "docs"])
def test_no_command_that_we_show_puts_a_key_on_a_command_line(shown: str) -> None:
    path = ROOT / shown
    for file in path.rglob("*.md") if path.is_dir() else [path]:
        assert not [line for line in file.read_text().splitlines() if SHOWN.search(line)], file


def test_no_example_of_up_puts_a_key_on_a_command_line() -> None:
    lines = examples("http://127.0.0.1:8080", "127.0.0.1:8080", authenticated=True)
    assert not [line for line in lines if SHOWN.search(line)]
    for line in lines:
        if "curl -s" in line:
            assert line.startswith("ordermesh keys operator --header | curl -s -H @- ")
        elif "grpcurl" in line:
            assert "-expand-headers -H 'authorization: Bearer ${KEY}'" in line
