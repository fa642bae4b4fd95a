"""The virtual environment of the peers: made once beside the other caches, so that they are no dependencies of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from stack.machine.paths import default_cache

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def python() -> Path:
    """Return the Python of the peers, made first when it is not there."""
    folder = default_cache() / "peers"
    program = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        installed.write_text(wanted)
    return program


def versions() -> dict[str, str]:
    """Return the versions of what was required and is installed there, under names that are not ours."""
    required = re.findall(r"^[\w-]+", REQUIREMENTS.read_text(), re.MULTILINE)
    installed = {one["name"].lower(): one["version"] for one in json.loads(told("-m", "pip", "list", "--format=json"))}
    return {f"peers/{name}": installed[name] for name in required}


def queue_schema() -> str:
    """Return the statements that make the tables of procrastinate, from its own command."""
    return told("-m", "procrastinate", "schema", "--read")


def told(*words: str) -> str:
    """Return what the Python of the peers prints."""
    return subprocess.run([python(), *words], check=True, capture_output=True, text=True).stdout
