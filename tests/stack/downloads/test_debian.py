"""Debian packages are fetched as apt knows them, with what a program looks for beside itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stack.downloads import debian
from stack.errors import DownloadFailed, ServerMissing

MISSING = "'http://mirror.example/g.deb' gauge_1.0-1_amd64.deb 1000000 SHA256:aa\n"
BESIDE = "'http://mirror.example/j.deb' libjs-graph_2_all.deb 500000 SHA256:bb\n"
ALL = f"{MISSING}{BESIDE}'http://mirror.example/c.deb' libc6_2_amd64.deb 9 SHA256:cc\n"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Answer for apt and dpkg, and note what they were asked."""
    asked: list[list[str]] = []

    def run(command: list[str], folder: Path) -> str:
        asked.append(command)
        if "--print-uris" in command:
            return ALL if "Dir::State::status=/dev/null" in command else MISSING
        if "download" in command:
            (folder / "gauge_1.0-1_amd64.deb").touch()
        if command[0] == debian.UNPACK:
            (Path(command[3]) / "usr").mkdir()
        return ""

    monkeypatch.setattr(debian, "run", run)
    monkeypatch.setattr(debian, "apt_knows", lambda package: True)
    monkeypatch.setattr(debian, "available", lambda: True)
    return asked


def test_a_package_comes_with_what_is_missing_and_what_it_has_beside_itself(
    commands: list[list[str]], tmp_path: Path
) -> None:
    told: list[str] = []
    folder = debian.ensure("gauge", tmp_path, told.append)
    assert (folder / "usr").is_dir()
    (download,) = (command for command in commands if "download" in command)
    assert download[-2:] == ["gauge", "libjs-graph"]
    assert told == ["Debian's gauge with 1 packages it needs, 2 MB"]
    asked = len(commands)
    assert debian.ensure("gauge", tmp_path, told.append) == folder == debian.cached("gauge", tmp_path)
    assert len(commands) == asked


def test_what_cannot_be_finished_is_not_there(commands: list[list[str]], tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError("no room")

    with pytest.raises(DownloadFailed, match="gauge cannot be downloaded: no room"):
        debian.ensure("gauge", tmp_path, finish=fail)
    assert debian.cached("gauge", tmp_path) is None
    assert list((tmp_path / "debian").iterdir()) == []


def test_the_reason_of_apt_is_told(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(command: list[str], folder: Path) -> str:
        raise subprocess.CalledProcessError(100, command, stderr="Reading\nE: Unable to locate package gauge\n")

    monkeypatch.setattr(debian, "run", refuse)
    with pytest.raises(DownloadFailed, match="E: Unable to locate package gauge"):
        debian.ensure("gauge", tmp_path)
    monkeypatch.setattr(debian, "available", lambda: False)
    with pytest.raises(ServerMissing, match="this machine has no apt-get"):
        debian.ensure("gauge", tmp_path)
