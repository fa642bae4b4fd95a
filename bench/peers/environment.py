"""The virtual environment of the peers: made once beside the other caches, so that they are no dependencies of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stack.paths import default_cache

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
