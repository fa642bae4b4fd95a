"""The state of every component of a running stack: written by the threads that tend them, awaited by everyone."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.processes.logfile import LogFile
from stack.processes.process import Process
from stack.supervision.aside import Aside
from stack.supervision.status import BEAT_SECONDS, StackStatus, State, now, write_status


@dataclass(frozen=True)
class Event:
    """Says that a component came into a state."""

    at: str
    component: str
    state: State
    detail: str = ""


class Board:
    """Holds the status, writes it to its file at each change, and tells whoever listens.

    A status file, a log or a listener that fails is tried again and told of when it works; it never stops the caller.
    """

    def __init__(self, status: StackStatus, path: Path, log: LogFile, listener: Callable[[Event], None]) -> None:
        self._status = status
        self._path = path
        self._log = log
        self._listener = listener
        self._changed = threading.Condition()
        self._recording, self._logging, self._telling = Aside("the status file"), Aside("this log"), Aside("the output")
        self._closed = threading.Event()
        write_status(path, status)
        self._heart = threading.Thread(target=self._beat, name="status-heartbeat", daemon=True)
        self._heart.start()

    @property
    def status(self) -> StackStatus:
        """The status now."""
        return self._status

    def state(self, name: str) -> State:
        """Return the state of a component."""
        return self._status.components[name].state

    def close(self) -> None:
        """End the heartbeat."""
        self._closed.set()
        self._heart.join()

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
            self._status = dataclasses.replace(self._status, components={**self._status.components, name: new})
            self._changed.notify_all()
            if new != old:
                self._record()
            if state == old.state:
                return
            event = Event(new.since, name, state, detail)
            line = {"time": event.at, "event": f"component {state}", "component": name}
            self._write_log(line | ({"detail": detail} if detail else {}))
        self._note(self._telling.attempt(lambda: self._listener(event)))

    def _record(self) -> None:
        self._note(self._recording.attempt(lambda: write_status(self._path, self._status)))

    def _note(self, news: str) -> None:
        """Write into the log what works again."""
        if news:
            self._write_log({"time": now(), "event": news})

    def _write_log(self, line: dict[str, str]) -> None:
        def append() -> None:
            self._log.try_rotate()
            with self._log.path.open("a") as file:
                file.write(json.dumps(line) + "\n")

        self._note(self._logging.attempt(append))

    def _beat(self) -> None:
        """Keep the status file's time fresh, so that readers see that it is kept; write what could not be written."""
        while not self._closed.wait(BEAT_SECONDS):
            with self._changed:
                if self._recording.failing:
                    self._record()
                else:
                    self._note(self._recording.attempt(lambda: os.utime(self._path)))

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
