"""The command wherever a person stands, and whoever else uses the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Place

from runtime.exit_codes import ExitCode


@pytest.fixture(params=["the root", "a folder that cannot be written"])
def folder(request: pytest.FixtureRequest, persons_place: Place) -> Iterator[Path]:
    """Give a folder in which the person who calls may not write."""
    if request.param == "the root":
        yield Path("/")
        return
    closed = persons_place.home / "closed"
    closed.mkdir(mode=0o555)
    closed.chmod(0o555)
    yield closed


def test_commands_work_in_any_folder_and_leave_nothing_in_it(persons_place: Place, folder: Path) -> None:
    before = sorted(folder.iterdir())
    told = persons_place.run("settings", cwd=folder)
    assert (told.returncode, told.stderr) == (0, "")
    assert "ORDERMESH_FRONT_PORT" in told.stdout
    doctor = persons_place.run("doctor", cwd=folder)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    status = persons_place.run("status", cwd=folder)
    assert status.returncode == ExitCode.START_FAILED
    assert "no stack is running" in status.stderr
    assert sorted(folder.iterdir()) == before


def test_doctor_reports_that_the_state_folder_cannot_be_created_and_continues(persons_place: Place) -> None:
    home = str(Path("/proc/ordermesh"))
    done = persons_place.run("doctor", env={"ORDERMESH_HOME": home})
    assert done.returncode == ExitCode.DIFFERS, done.stderr
    assert f"cannot create {home}" in done.stdout
    assert "ORDERMESH_HOME" in done.stdout
    assert "memory" in done.stdout
    assert done.stderr == ""
