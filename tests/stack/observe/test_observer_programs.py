"""Programs are found on PATH first, and those of Debian look for their files where they were unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.downloads import debian
from stack.errors import DownloadFailed
from stack.observe import programs
from stack.observe.programs import Found, Wanted

GAUGE = Wanted("gauge", "debian-gauge", "usr/share/debian-gauge", built_in="/usr/share/debian-gauge")


@pytest.fixture(autouse=True)
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "FURTHER", ())


def test_a_program_on_path_is_taken_by_either_name(tmp_path: Path) -> None:
    for name in ("debian-gauge", "gauge"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.touch(0o755)
        assert GAUGE.find(tmp_path) == Found(path)


def test_a_program_of_debian_looks_for_its_files_in_its_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unpack(package: str, work: Path, tell: object) -> Path:
        (work / "usr/bin").mkdir(parents=True)
        (work / "usr/bin" / package).write_bytes(b"open /usr/share/debian-gauge/a.tmpl\0")
        return work

    monkeypatch.setattr(debian, "available", lambda: True)
    monkeypatch.setattr(debian, "unpacked", unpack)
    assert GAUGE.find(tmp_path) is None
    assert GAUGE.fetch(cache=tmp_path) == ""
    found = GAUGE.find(tmp_path)
    assert found is not None
    assert found.path.read_bytes() == b"open /proc/self/cwd/////////a.tmpl\0".replace(b"/////////", b"//////////")
    assert found.share == found.path.parents[2] / "usr/share/debian-gauge"


def test_why_a_program_cannot_be_had_is_returned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise DownloadFailed("no mirror answers")

    monkeypatch.setattr(debian, "ensure", refuse)
    assert GAUGE.fetch(cache=tmp_path) == "no mirror answers"
