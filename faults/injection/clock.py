"""Moves the clock of the servers and services of a stack with libfaketime, from a Debian package.

librdkafka waits with C11's cnd_timedwait, whose clock libfaketime cannot move, and Envoy does not start with it. So
publisher, workers, gateway and Envoy keep the clock of the machine; nothing they do may depend on it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from stack.downloads import debian
from stack.errors import StackError

MOVED = {
    "PostgreSQL",
    "initdb",
    "Kafka",
    "Kafka's format",
    "orders",
    "analytics",
    "migrate-orders",
    "migrate-processor",
}
LIBRARY = "libfaketimeMT.so.1"
PACKAGE = "libfaketime"
# For how long a process may use the time before a move.
CACHE_SECONDS = 1


class LibraryMissing(Exception):
    """libfaketime is not installed and cannot be fetched."""


def library() -> Path:
    """Return libfaketime of the system, or fetch it into the cache once. Raises LibraryMissing."""
    if found := found_in(Path("/usr/lib")):
        return found
    try:
        folder = debian.ensure(PACKAGE)
    except StackError as error:
        raise LibraryMissing(f"{LIBRARY} is not installed: {error}") from error
    if found := found_in(folder):
        return found
    raise LibraryMissing(f"the Debian package {PACKAGE} does not contain {LIBRARY}")


def found_in(folder: Path) -> Path | None:
    """Return the library in a folder, None when there is none."""
    return next(folder.glob(f"**/faketime/{LIBRARY}"), None)


class MovedClock:
    """A clock with an offset to that of the machine, in a file that every process reads each second."""

    def __init__(self, folder: Path, moved: Collection[str] = MOVED) -> None:
        # The database may run under another user.
        folder.chmod(0o755)
        self._moved = moved
        self._file = folder / "offset"
        self._library = library()
        self._ahead_seconds = 0.0

    def set(self, moment: datetime) -> None:
        """Set the clock, and wait until every process has read it."""
        self._ahead_seconds = moment.timestamp() - time.time()
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._ahead_seconds:+.3f}\n")
        fresh.chmod(0o644)
        os.replace(fresh, self._file)
        time.sleep(2 * CACHE_SECONDS)

    def clear(self) -> None:
        """Remove the shared memory of killed processes."""
        for path in Path("/dev/shm").glob("*faketime_s*"):  # the location of libfaketime
            if not Path(f"/proc/{path.name.rpartition('_')[2]}").exists():
                path.unlink(missing_ok=True)

    def now(self) -> datetime:
        """Return the time of the clock."""
        return datetime.fromtimestamp(time.time() + self._ahead_seconds).astimezone()

    def launcher(self, name: str) -> Sequence[str]:
        """Return the command prefix of a process; see stack.processes.process.started_through."""
        if name not in self._moved:
            return []
        variables = {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_CACHE_DURATION": CACHE_SECONDS,
            # Deadlines and timers use the monotonic clock, which does not move.
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
            # With it, timed waits of Java return at once, and it spins.
            "FAKETIME_FORCE_MONOTONIC_FIX": 0,
            "FAKETIME_DONT_RESET": 1,
        }
        return ["/usr/bin/env", *(f"{variable}={value}" for variable, value in variables.items())]
