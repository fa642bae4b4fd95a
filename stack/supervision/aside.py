"""What a supervising thread does beside its work, such as to record it: an error there is counted and told later."""

from __future__ import annotations

from collections.abc import Callable


class Aside:
    """Does one kind of such work; no error of it reaches the caller."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._errors = 0
        self._first = ""

    @property
    def failing(self) -> bool:
        """Say whether the last attempt failed."""
        return self._errors > 0

    def attempt(self, call: Callable[[], object]) -> str:
        """Call; return words about the attempts that failed before this one when it works again, else nothing."""
        try:
            call()
        except Exception as error:  # what it prints is not what it does
            self._first = self._first if self._errors else f"{type(error).__name__}: {error}"
            self._errors += 1
            return ""
        errors, self._errors = self._errors, 0
        return f"{self.what} works again after {errors} errors, the first: {self._first}" if errors else ""
