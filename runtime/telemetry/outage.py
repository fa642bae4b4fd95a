"""An outage: a period in which work is interrupted; one log line when it begins and one when it ends."""

from __future__ import annotations

import threading
import time

from runtime.telemetry.logging import logger


class Outage:
    """Logs the first error of an outage and its end; the errors in between are only counted. Thread-safe."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._errors = 0
        self._began_at = 0.0
        self._component: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def lasts(self) -> bool:
        """Whether an outage has begun and not ended."""
        return self._errors > 0

    @property
    def component(self) -> str | None:
        """The component whose error began the outage, None without an outage or if it is unknown."""
        return self._component.get("component") if self._errors else None

    def begins(self, error: BaseException, *, component: str | None = None) -> int:
        """Record an error, of a component if it is known; return the number of errors of this outage."""
        with self._lock:
            if not self._errors:
                self._began_at = time.monotonic()
                self._component = {} if component is None else {"component": component}
                logger().error("outage began", work=self._work, error=error, **self._component)
            self._errors += 1
            return self._errors

    def ends(self) -> None:
        """Record that work succeeded, which ends the outage, if any."""
        if not self._errors:
            return
        with self._lock:
            if self._errors:
                seconds = round(time.monotonic() - self._began_at, 3)
                logger().info(
                    "outage ended", work=self._work, duration_seconds=seconds, errors=self._errors, **self._component
                )
                self._errors = 0
