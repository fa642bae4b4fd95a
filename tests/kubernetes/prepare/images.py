"""The images that pods of the test nodes run, in archives: nothing can be pulled there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prepare.go_programs import CACHE

# NAME.sh makes NAME.tar. The first also makes the stand-in of Debian, over which others are built.
PARTS = ("images", "operators", "autoscaling")
ARCHIVES = tuple(CACHE / f"{part}.tar" for part in PARTS)


def make() -> None:
    """Build what changed."""
    for part in PARTS:
        subprocess.run([Path(__file__).with_name(f"{part}.sh"), CACHE], check=True)
