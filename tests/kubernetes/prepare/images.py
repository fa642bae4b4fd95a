"""The images that pods of the test node run, in one archive: nothing can be pulled there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prepare.go_programs import CACHE

SCRIPT = Path(__file__).with_name("images.sh")
ARCHIVE = CACHE / "images.tar"


def make() -> None:
    """Build what changed."""
    subprocess.run([SCRIPT, CACHE], check=True)
