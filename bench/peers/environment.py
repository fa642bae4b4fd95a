"""The virtual environment of the peers: created once in the cache, so that they are no dependencies of the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from stack.machine.paths import default_cache

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def python() -> Path:
    """Return the Python of the environment, which is created when it is missing or outdated."""
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
    """Return the installed versions of the required packages, as `peers/<package>`."""
    required = re.findall(r"^[\w-]+", REQUIREMENTS.read_text(), re.MULTILINE)
    installed = {
        one["name"].lower(): one["version"] for one in json.loads(output_of("-m", "pip", "list", "--format=json"))
    }
    return {f"peers/{name}": installed[name] for name in required}


def queue_schema() -> str:
    """Return the statements that create the tables of procrastinate, from its command."""
    return output_of("-m", "procrastinate", "schema", "--read")


def output_of(*arguments: str) -> str:
    """Return the output of the Python of the environment."""
    return subprocess.run([python(), *arguments], check=True, capture_output=True, text=True).stdout
