"""Runs programs as another account of this machine, which has no rights here: the attacker of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import pytest

STRANGER = 65_534
# An account that no file of the machine names.
UNKNOWN = 54_321
# Readable for everybody, unlike root's own Python.
PYTHON = "/usr/bin/python3"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


def start_as_stranger(*command: str, account: int = STRANGER) -> subprocess.Popen[str]:
    """Start a program as the other account."""
    return subprocess.Popen(
        command,
        user=account,
        group=account,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def as_stranger(
    *command: str, seconds: float = 60, account: int = STRANGER, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program as the other account until it ends; `given` is its input."""
    process = start_as_stranger(*command, account=account)
    out, err = process.communicate(given, timeout=seconds)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def script_of_stranger(text: str, *arguments: str) -> Sequence[str]:
    """Return the command that runs a Python script, for `start_as_stranger`."""
    return (PYTHON, "-c", text, *arguments)
