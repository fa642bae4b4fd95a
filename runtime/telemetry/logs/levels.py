"""Sets the levels of loggers, and sets them again when the file of the setting changes."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from runtime.log_levels import LEVELS, PACKAGES, LogLevels, parse

POLL_SECONDS = 1.0
MAIN = "__main__"


def apply(levels: LogLevels) -> None:
    """Set the levels of all loggers. Lines of libraries below warnings are written only if they are named."""
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.NOTSET)
    base = LEVELS[levels.base]
    logging.root.setLevel(max(base, logging.WARNING))
    for package in PACKAGES:
        logging.getLogger(package).setLevel(base)
    for name, named_level in levels.loggers.items():
        logging.getLogger(name).setLevel(LEVELS[named_level])
    # A module that is started as a program logs under another name.
    started = main_module()
    own_level = base if started == MAIN else logging.getLogger(started).getEffectiveLevel()
    logging.getLogger(MAIN).setLevel(own_level)


def main_module() -> str:
    """Return the name of the module that this process was started with, __main__ for a file."""
    spec = getattr(sys.modules[MAIN], "__spec__", None)
    return MAIN if spec is None else str(spec.name).removesuffix(f".{MAIN}")


def watch(
    path: Path, known: LogLevels, changed: Callable[[LogLevels], None], refused: Callable[[Exception], None]
) -> None:
    """Read a file of levels whenever it changes, in a new thread; a wrong content is refused and changes nothing."""
    watcher = Watcher(path, known, changed, refused)

    def run() -> None:
        while True:
            time.sleep(POLL_SECONDS)
            watcher.look()

    threading.Thread(target=run, name="log-levels", daemon=True).start()


class Watcher:
    """Looks at a file of levels, of which `known` are in use."""

    def __init__(
        self,
        path: Path,
        known: LogLevels,
        changed: Callable[[LogLevels], None],
        refused: Callable[[Exception], None],
    ) -> None:
        self._path = path
        self._known = known
        self._changed = changed
        self._refused = refused
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> None:
        """Read the file if it changed. An empty one is being written, and one that is gone leaves the levels."""
        now = self._state()
        if now in (None, self._seen):
            return
        self._seen = now
        try:
            text = self._path.read_text().strip()
            found = parse(text) if text else self._known
        except (OSError, ValueError) as error:
            self._refused(error)
            return
        if found != self._known:
            self._known = found
            self._changed(found)

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
