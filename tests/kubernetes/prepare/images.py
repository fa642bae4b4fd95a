"""The images that pods of the test nodes run, in archives: nothing can be pulled there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prepare.go_programs import CACHE

SCRIPT = Path(__file__).with_name("images.sh")
ARCHIVES = (CACHE / "images.tar",)


def make() -> None:
    """Build what changed."""
    subprocess.run([SCRIPT, CACHE], check=True)
