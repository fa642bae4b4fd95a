"""Best-effort side work of a supervising thread, such as writing the status file: errors are counted, not raised."""

from __future__ import annotations

from collections.abc import Callable


class BestEffort:
    """Attempts one kind of side work; no error of it reaches the caller."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._errors = 0
        self._first_error = ""

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._errors > 0

    def attempt(self, call: Callable[[], object]) -> str:
        """Call; return a message about the failed attempts before, once it succeeds again, else an empty string."""
        try:
            call()
        except Exception as error:
            self._first_error = self._first_error if self._errors else f"{type(error).__name__}: {error}"
            self._errors += 1
            return ""
        errors, self._errors = self._errors, 0
        return f"{self.what} works again after {errors} errors, the first: {self._first_error}" if errors else ""
