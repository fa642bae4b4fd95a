"""An upgrade and a roll back: programs of the release before run on tables that this version has migrated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Place

from stack.machine.state_folder import temporary_home

ROOT = Path(__file__).parents[3]
# The last commit of the release before, whose code the history has.
RELEASE_BEFORE = "2acfff0c8c64f8690d60f47f64edd6f26326bdd3"
# A stack starts three times here.
pytestmark = [pytest.mark.more, pytest.mark.timeout(600)]


class PlaceOfRelease(Place):
    """A state folder in which another release runs."""

    def __init__(self, home: Path, python: Path) -> None:
        super().__init__(home)
        self._python = python

    def command(self, *words: str) -> list[str]:
        return [str(self._python), "-P", "-m", "cli", *words]

    def run(
        self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {**self.env, **(env or {})}
        return subprocess.run(
            self.command(*words), env=environment, cwd=cwd, capture_output=True, text=True, timeout=300
        )


@pytest.fixture
def release_before() -> Iterator[Path]:
    """Give a Python that has the code of the release before and the dependencies of this one."""
    with temporary_home() as folder:
        folder.chmod(0o755)
        archive = subprocess.run(["git", "archive", RELEASE_BEFORE], cwd=ROOT, capture_output=True)
        assert archive.returncode == 0, f"the history lacks it (git fetch --unshallow): {archive.stderr.decode()}"
        code = folder / "code"
        code.mkdir()
        subprocess.run(["tar", "-x", "-C", code], input=archive.stdout, check=True)
        venv.create(folder / "venv", symlinks=True)
        python = folder / "venv" / "bin" / "python"
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
        # Below the environment's own folder, where services may read.
        ours = shutil.ignore_patterns("_editable_impl_*", "_ordermesh.pth")
        shutil.copytree(sysconfig.get_path("purelib"), packages, ignore=ours, copy_function=linked, dirs_exist_ok=True)
        (packages / "release.pth").write_text("".join(f"{path}\n" for path in (code, code / "envoy", code / "gen")))
        yield python


def linked(source: str, target: str) -> None:
    """Make a hard link, or a copy where there can be none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def imported_from(python: Path) -> Path:
    """Return the file of a module that a Python imports."""
    code = "import orders; print(orders.__file__)"
    return Path(subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True).stdout.strip())


def verified(place: Place) -> None:
    done = place.run("verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_release_before_runs_on_the_tables_of_this_one_and_back(place: Place, release_before: Path) -> None:
    assert imported_from(release_before).is_relative_to(release_before.parents[2])
    before = PlaceOfRelease(place.home, release_before)
    before.env |= {name: place.env[name] for name in place.ports}
    placed = []
    # An upgrade, a roll back, and another upgrade: of the programs, never of the tables.
    for release in (before, place, before, place):
        up = release.run("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        placed.append(release.order())
        shipped = release.ask(f"/orders/{placed[0]}") if len(placed) > 1 else None
        assert shipped is None or shipped["orderId"] == placed[0]
        verified(release)
        assert int(release.ask("/v1/analytics/sales-summary")["ordersTotal"]) == len(placed)
        assert release.run("down").returncode == 0
