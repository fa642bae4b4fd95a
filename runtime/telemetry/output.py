"""Output of long-running processes: a full disk or a closed pipe loses lines, but does not end the process."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable


class Output(io.TextIOBase):
    """Writes text to a descriptor unbuffered; text that cannot be written is dropped, counted and reported later.

    `notice` makes the report from the number of lost writes and the first error.
    """

    encoding = "utf-8"

    def __init__(self, descriptor: int, notice: Callable[[int, str], str]) -> None:
        self._descriptor = descriptor
        self._notice = notice
        self._lock = threading.Lock()
        self._lost = 0
        self._cause = ""
        self._torn = False

    def write(self, text: str) -> int:
        """Write the text or drop it. Does not raise OSError."""
        with self._lock:
            try:
                if self._lost:
                    self._put(("\n" if self._torn else "") + self._notice(self._lost, self._cause) + "\n")
                    self._lost, self._torn = 0, False
                self._put(text)
            except OSError as error:
                self._cause = self._cause if self._lost else str(error)
                self._lost += 1
        return len(text)

    def _put(self, text: str) -> None:
        left = text.encode(self.encoding, "replace")
        while left:
            written = os.write(self._descriptor, left)
            left = left[written:]
            # A disk that fills up may store the first part of a line.
            self._torn = bool(left)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)
