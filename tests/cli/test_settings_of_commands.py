"""What a command does about settings that do not exist or cannot be used, before it does anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Place
from typer.testing import CliRunner

from cli.app import COMMANDS, Entry, app
from stack.errors import SettingInvalid


@pytest.mark.parametrize("name", COMMANDS)
def test_a_misspelled_setting_ends_every_command_before_its_code_is_loaded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(Entry, "load", lambda _, command: loaded.append(command))
    monkeypatch.setenv("ORDERMESH_HOMEE", "/nonexistent")
    done = CliRunner().invoke(app, [name])
    assert isinstance(done.exception, SettingInvalid)
    assert str(done.exception) == "setting ORDERMESH_HOMEE does not exist; did you mean ORDERMESH_HOME?"
    assert not loaded


def test_a_misspelled_folder_does_not_let_another_one_be_deleted(place: Place) -> None:
    (place.home / "logs").mkdir()
    done = place.run("reset", "--yes", env={"ORDERMESH_HOMEE": "/nonexistent"})
    assert done.returncode == 78
    assert done.stderr == "ordermesh: setting ORDERMESH_HOMEE does not exist; did you mean ORDERMESH_HOME?\n"
    assert (place.home / "logs").is_dir()


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("reset", "--help"), ("dlq", "list", "-h")])
def test_help_and_version_work_with_any_settings(place: Place, words: tuple[str, ...]) -> None:
    done = place.run(*words, env={"ORDERMESH_HOMEE": "/nonexistent"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "setting"), [(("outbox",), "ORDERMESH_ORDERS_DSN"), (("audit",), "ORDERMESH_ANALYTICS_DSN")]
)
@pytest.mark.parametrize("by_file", [False, True])
def test_an_invalid_dsn_is_reported_without_its_value(
    place: Place, tmp_path: Path, words: tuple[str, ...], setting: str, by_file: bool
) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("s3cret\n")
    env = {f"{setting}_FILE": str(secret)} if by_file else {setting: "s3cret"}
    valid = {} if setting == "ORDERMESH_ORDERS_DSN" else {"ORDERMESH_ORDERS_DSN": "host=127.0.0.1"}
    done = place.run(*words, env={**valid, **env})
    assert done.returncode == 78, done.stderr
    assert f"{setting} is not a PostgreSQL connection string" in done.stderr
    assert "s3cret" not in done.stderr
