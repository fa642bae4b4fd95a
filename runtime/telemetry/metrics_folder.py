"""The folder in which a service's processes share their metrics; a lock holds it, so that a killed one's is removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "om-metrics-"


@contextlib.contextmanager
def made() -> Iterator[Path]:
    """Make the folder, after removing those that killed services left, and remove it in the end."""
    base = Path(tempfile.gettempdir())
    remove_left(base)
    # Locked before it has its name: another service that starts now must not take it for one that was left.
    fresh = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base))
    descriptor = lock(fresh)
    folder = fresh.rename(base / fresh.name.removeprefix("."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def remove_left(base: Path) -> None:
    """Remove folders of ours that no running service holds."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = lock(folder)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder until it is closed, None when another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
