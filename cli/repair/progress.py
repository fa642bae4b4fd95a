"""Shows how far a repair has come: a line that changes on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time

from cli.output.terminal import console

LINE_SECONDS = 5.0
TERMINAL_SECONDS = 0.1


class ProgressLine:
    """One line of progress; `show` may be called as often as one likes."""

    def __init__(self) -> None:
        self._shown_at = time.monotonic()
        self._open = False

    def show(self, text: str) -> None:
        """Show how far it has come, if the last time is long enough ago."""
        now, terminal = time.monotonic(), sys.stdout.isatty()
        if now - self._shown_at < (TERMINAL_SECONDS if terminal else LINE_SECONDS):
            return
        self._shown_at = now
        if terminal:
            self._open = True
            sys.stdout.write(f"\r\x1b[K{text}")
            sys.stdout.flush()
        else:
            console.print(text)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._open:
            self._open = False
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
