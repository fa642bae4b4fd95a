"""The wheels are the same bytes wherever and whenever they are built, and the image gets no test tools."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EPOCH = "1790000000"
DISTRIBUTIONS = {"ordermesh": ".", "ordermesh_contracts": "gen", "ordermesh_client": "clients/python"}
BUILD = """
import sys
from hatchling.builders.wheel import WheelBuilder
print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=["standard"])))
"""


def built(folder: str, work: Path, hash_seed: str, mode: int) -> tuple[str, str]:
    """Copy what git has of a distribution, build its wheel there, and return its name and sha256."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True).stdout
    source = work / "source"
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod(mode)
            os.utime(target, (mode * 100_000, mode * 100_000))
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", BUILD, source / folder, work / "dist"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    wheel = Path(done.stdout.strip())
    return wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_is_the_same_in_another_folder_at_another_time(name: str, tmp_path: Path) -> None:
    first = built(DISTRIBUTIONS[name], tmp_path / "one", "1", 0o644)
    second = built(DISTRIBUTIONS[name], tmp_path / "a" / "longer" / "path", "2", 0o640)
    assert first[0].startswith(f"{name}-")
    assert first == second


def names(requirements: list[str]) -> set[str]:
    """Return the names of requirements, as lock files have them."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", one)[0]).lower() for one in requirements}


def test_the_image_gets_nothing_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = names(project["dependencies"])
    extras = set().union(*(names(extra) for extra in project["optional-dependencies"].values()))
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "deploy/image/core.lock").read_text(), re.MULTILINE))
    assert own - {"ordermesh-contracts"} <= locked
    assert not (extras - own) & locked


def test_every_package_of_the_image_has_the_version_of_the_whole_lock() -> None:
    pin = re.compile(r"^[a-z0-9-]+==[^ ]+", re.MULTILINE)
    locks = [set(pin.findall((ROOT / lock).read_text())) for lock in ("deploy/image/core.lock", "requirements.lock")]
    assert locks[0] <= locks[1]
