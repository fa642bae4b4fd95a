"""A state folder on a disk of its own, which can be filled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SIZE_MIB = 700
CHUNK = bytes(1024 * 1024)
FILLER = "filler"


class NotPossible(Exception):
    """This machine does not allow what a scenario needs; the message says what it would take."""


@contextlib.contextmanager
def small_home() -> Iterator[Path]:
    """Mount a disk of SIZE_MIB and yield its folder; unmount it at the end. Raises NotPossible."""
    if os.geteuid() != 0:
        raise NotPossible("a small disk is a mount, which needs root")
    folder = Path(tempfile.mkdtemp(prefix="om-disk-", dir="/tmp"))  # short, for paths of sockets
    folder.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=755", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # a mount of our own
    if done.returncode:
        folder.rmdir()
        raise NotPossible(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)  # a mount of our own
        folder.rmdir()


def fill(home: Path) -> None:
    """Take all the room that is left; again and again, since programs give some back."""
    with contextlib.suppress(OSError), (home / FILLER).open("ab", buffering=0) as file:
        for chunk in (CHUNK, bytes(4096)):
            with contextlib.suppress(OSError):
                while True:
                    file.write(chunk)


def empty(home: Path) -> None:
    """Give the room back."""
    (home / FILLER).unlink(missing_ok=True)
