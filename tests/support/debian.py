"""Programs of Debian that a test needs beside the packages of PyPI: the machine's own, else fetched into the cache."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack.downloads import debian
from stack.errors import StackError

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
    try:
        folder = debian.ensure(package)
    except StackError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    return in_folder(folder, path)


def in_folder(folder: Path, path: str) -> Program:
    """Return a program of an unpacked package, which has its libraries beside it."""
    libraries = folder / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    return Program(str(folder / path), {"LD_LIBRARY_PATH": str(libraries)})
