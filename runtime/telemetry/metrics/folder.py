"""The folder in which the processes of a service share metrics; a lock marks it as in use."""

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
def metrics_folder() -> Iterator[Path]:
    """Create the folder and remove it at exit; folders that killed services left are removed first."""
    base = Path(tempfile.gettempdir())
    remove_stale(base)
    # Locked before it gets its name, so that another service that starts now does not remove it.
    fresh = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base))
    descriptor = lock(fresh)
    folder = fresh.rename(base / fresh.name.removeprefix("."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def remove_stale(base: Path) -> None:
    """Remove folders of this user that no running service has locked."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = lock(folder)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def lock(folder: Path) -> int | None:
    """Lock a folder; return the descriptor that holds the lock, None when another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
