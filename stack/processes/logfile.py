"""A log file of limited size that a child process appends to."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 16 * 1024
PRIVATE_FILE = 0o600


@dataclass(frozen=True)
class LogFile:
    """A log file and its size limit; one older copy is kept as <name>.1."""

    path: Path
    limit_bytes: int = 16 * 1024 * 1024

    def open_append(self) -> int:
        """Return a descriptor for a child, in append mode so that the file can be truncated. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)

    def open_append_or_null(self) -> int:
        """Return a descriptor for a child, of /dev/null when the file cannot be opened."""
        try:
            return self.open_append()
        except OSError:
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def rotate(self) -> bool:
        """Copy and truncate the file when it is above its limit; return whether it was. Raises OSError.

        The limit holds on a full disk too: what cannot be copied is dropped.
        """
        if self.size_bytes() <= self.limit_bytes:
            return False
        older = self.path.with_name(self.path.name + ".1")
        older.unlink(missing_ok=True)
        try:
            # Root's folder of logs is passable: each file in it is private.
            descriptor = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
            with self.path.open("rb") as log, os.fdopen(descriptor, "wb") as copy:
                shutil.copyfileobj(log, copy)
        except OSError:
            older.unlink(missing_ok=True)
        os.truncate(self.path, 0)
        return True

    def try_rotate(self) -> bool:
        """Rotate, without raising an error: a log must not stop anything else."""
        with contextlib.suppress(OSError):
            return self.rotate()
        return False

    def size_bytes(self) -> int:
        """Return the size, 0 when there is no readable file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def tail(self, lines: int = 15, since_bytes: int = 0) -> str:
        """Return the last lines written after since_bytes."""
        size = self.size_bytes()
        if size == 0:
            return ""
        with self.path.open("rb") as file:
            file.seek(max(since_bytes if since_bytes <= size else 0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        return "\n".join(text.removesuffix("\n").split("\n")[-lines:])
