"""Background work that a process cannot do without: when one piece of it ends, the process drains and ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from runtime.telemetry.logging import logger

Work = Coroutine[Any, Any, None]


class BackgroundEnded(Exception):
    """A background task or thread ended before the process was asked to stop; the message names it."""


async def serve_beside(tasks: Mapping[str, Work], serving: Work, stop: asyncio.Event) -> None:
    """Serve with background tasks beside; `serving` drains when `stop` is set, and the end of a task sets it.

    The other tasks go on until `serving` has drained, and are cancelled then. Raises BackgroundEnded.
    """
    ends, failure = Ends(stop), None
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(ends.watch(name, work), name=name) for name, work in tasks.items()]
        try:
            await serving
        except Exception as error:
            # Raised below: within the group it would come out as an exception group.
            failure = error
        stop.set()
        for task in running:
            task.cancel()
    if failure is not None:
        raise failure
    ends.check()


class Ends:
    """Notes which background work ended before the process was asked to stop, and asks it to."""

    def __init__(self, stop: asyncio.Event | threading.Event) -> None:
        self._stop = stop
        self._names: list[str] = []

    async def watch(self, name: str, work: Work) -> None:
        """Do the work and note its end."""
        try:
            await work
        except asyncio.CancelledError as error:
            if self._stop.is_set():
                raise
            self.note(name, error)
        except Exception as error:
            self.note(name, error)
        else:
            self.note(name, None)

    def note(self, name: str, error: BaseException | None) -> None:
        """Log the end of some work, and why; one after `stop` matters only when it failed."""
        asked = self._stop.is_set()
        if error is not None or not asked:
            logger().error("background task ended, the process drains", task=name, exc_info=error)
        if not asked:
            self._names.append(name)
            self._stop.set()

    def check(self) -> None:
        """Raise BackgroundEnded when work ended before the process was asked to stop."""
        if self._names:
            raise BackgroundEnded(", ".join(self._names))


class Threads:
    """Background threads of a process that works on threads; `stop` makes it drain."""

    def __init__(self, stop: threading.Event) -> None:
        self._ends = Ends(stop)

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Do the work in a thread, whose end sets `stop`."""

        def run() -> None:
            error: Exception | None = None
            try:
                work()
            except Exception as raised:
                error = raised
            self._ends.note(name, error)

        threading.Thread(target=run, name=name, daemon=True).start()

    def check(self) -> None:
        """Raise BackgroundEnded when a thread ended before the process was asked to stop."""
        self._ends.check()
