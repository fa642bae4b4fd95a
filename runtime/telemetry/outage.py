"""A time in which work is held up: one log line when it begins and one when it is over."""

from __future__ import annotations

import time

from runtime.telemetry.logging import logger


class Outage:
    """Tells of the first error of an outage and of its end; the errors between are only counted."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._errors = 0
        self._began_at = 0.0
        self._where: dict[str, str] = {}

    def begins(self, error: BaseException, **where: str) -> int:
        """Note an error and return how many this outage has had; `where` stands in both of its lines."""
        if not self._errors:
            self._began_at, self._where = time.monotonic(), where
            logger().error(f"{self._work} is held up", error=str(error).strip(), **where)
        self._errors += 1
        return self._errors

    def ends(self) -> None:
        """Note that work went on, which ends the outage when there was one."""
        if self._errors:
            seconds = round(time.monotonic() - self._began_at, 3)
            logger().info(f"{self._work} goes on", stopped_seconds=seconds, errors=self._errors, **self._where)
            self._errors = 0
