"""Programs of Debian that a test needs beside the packages of PyPI: the machine's own, else fetched into the cache."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack.machine.paths import default_cache

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch-debian"
FETCH_SECONDS = 180
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


@dataclass(frozen=True)
class Program:
    """Where a program is, and what its environment needs so that it finds its libraries."""

    path: str
    env: dict[str, str] = field(default_factory=dict)


def program(package: str, path: str) -> Program:
    """Return a program of a package by its path in it; without it a test fails in CI and is skipped elsewhere."""
    found = shutil.which(Path(path).name, path=SYSTEM_PATH)
    if found:
        return Program(found)
    folder = default_cache() / "debian" / package
    if not (folder / path).exists():
        fetch(package, folder)
    libraries = folder / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    return Program(str(folder / path), {"LD_LIBRARY_PATH": str(libraries)})


def fetch(package: str, folder: Path) -> None:
    """Fetch a package."""
    try:
        subprocess.run([SCRIPT, package, folder], check=True, timeout=FETCH_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        missing = f"the Debian package {package} cannot be fetched: {error}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
