"""The state of every component of a running stack: written by the threads that tend them, awaited by everyone."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.logfile import LogFile
from stack.process import Process
from stack.status import ComponentStatus, StackStatus, State, now, write_status


@dataclass(frozen=True)
class Event:
    """Says that a component came into a state."""

    at: str
    component: str
    state: State
    detail: str = ""


class Board:
    """Holds the status, writes it to its file at each change, and tells whoever listens."""

    def __init__(self, status: StackStatus, path: Path, log: LogFile, listener: Callable[[Event], None]) -> None:
        self._status = status
        self._path = path
        self._log = log
        self._listener = listener
        self._changed = threading.Condition()
        write_status(path, status)

    @property
    def status(self) -> StackStatus:
        """The status now."""
        return self._status

    def state(self, name: str) -> State:
        """Return the state of a component."""
        return self._status.components[name].state

    def enter(
        self, name: str, state: State, process: Process | None, detail: str = "", *, restarted: bool = False
    ) -> None:
        """Record that a component came into a state, with the process that it now is."""
        identity = process.identity if process is not None and process.running() else None
        with self._changed:
            old = self._status.components[name]
            new = dataclasses.replace(
                old,
                state=state,
                since=old.since if state == old.state else now(),
                pid=identity.pid if identity else None,
                started_ticks=identity.started_ticks if identity else None,
                restarts=old.restarts + restarted,
                detail=detail,
            )
            self._replace(name, new)
            self._changed.notify_all()
            if state == old.state:
                return
            event = Event(new.since, name, state, detail)
            self._write_log(event)
        self._listener(event)

    def _replace(self, name: str, new: ComponentStatus) -> None:
        self._status = dataclasses.replace(self._status, components={**self._status.components, name: new})
        # With a full disk the stack must go on tending its processes, even unrecorded.
        with contextlib.suppress(OSError):
            write_status(self._path, self._status)

    def _write_log(self, event: Event) -> None:
        line = {"time": event.at, "event": f"component {event.state}", "component": event.component}
        with contextlib.suppress(OSError):
            self._log.rotate()
            with self._log.path.open("a") as file:
                file.write(json.dumps(line | ({"detail": event.detail} if event.detail else {})) + "\n")

    def wait(self, condition: Callable[[StackStatus], bool], timeout_seconds: float) -> bool:
        """Block until the condition holds of the status; say whether it did in time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not condition(self._status):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True
