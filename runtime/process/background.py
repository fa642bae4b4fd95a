"""Essential background tasks and threads: when one of them ends, the process drains and exits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from runtime.telemetry.logging import logger

Work = Coroutine[Any, Any, None]


class BackgroundEnded(Exception):
    """A background task or thread ended before the process was asked to stop; the message names it."""


async def serve_with_tasks(tasks: Mapping[str, Work], serving: Work, stop: asyncio.Event) -> None:
    """Run `serving` together with background tasks; it drains when `stop` is set, which the end of a task does.

    The other tasks are cancelled once `serving` has drained. Raises BackgroundEnded.
    """
    ends, failure = TaskEnds(stop), None
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(ends.watch(name, work), name=name) for name, work in tasks.items()]
        try:
            await serving
        except Exception as error:
            # Raised below: the task group would wrap it in an exception group.
            failure = error
        stop.set()
        for task in running:
            task.cancel()
    if failure is not None:
        raise failure
    ends.check()


class TaskEnds:
    """Records which background tasks ended before the process was asked to stop, and sets `stop`."""

    def __init__(self, stop: asyncio.Event | threading.Event) -> None:
        self._stop = stop
        self._names: list[str] = []

    async def watch(self, name: str, work: Work) -> None:
        """Await the work and record its end."""
        try:
            await work
        except asyncio.CancelledError as error:
            if self._stop.is_set():
                raise
            self.record_end(name, error)
        except Exception as error:
            self.record_end(name, error)
        else:
            self.record_end(name, None)

    def record_end(self, name: str, error: BaseException | None) -> None:
        """Log the end of a task and its error; after `stop` only an error is logged."""
        asked = self._stop.is_set()
        if error is not None or not asked:
            logger().error("background task ended, draining", task=name, exc_info=error)
        if not asked:
            self._names.append(name)
            self._stop.set()

    def check(self) -> None:
        """Raise BackgroundEnded when a task ended before the process was asked to stop."""
        if self._names:
            raise BackgroundEnded(", ".join(self._names))


class BackgroundThreads:
    """Background threads of a process without an event loop; `stop` makes it drain."""

    def __init__(self, stop: threading.Event) -> None:
        self._ends = TaskEnds(stop)

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run the work in a thread, whose end sets `stop`."""

        def run() -> None:
            error: Exception | None = None
            try:
                work()
            except Exception as raised:
                error = raised
            self._ends.record_end(name, error)

        threading.Thread(target=run, name=name, daemon=True).start()

    def check(self) -> None:
        """Raise BackgroundEnded when a thread ended before the process was asked to stop."""
        self._ends.check()
