"""The states of a stack's components: set by their supervisors, written to the status file, awaited by callers."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.telemetry.logs.lines import Schema
from stack.processes.logfile import LogFile
from stack.processes.process import Process
from stack.supervision.best_effort import BestEffort
from stack.supervision.status import HEARTBEAT_SECONDS, StackStatus, State, utc_now, write_status

SCHEMA = Schema("supervisor")
BROKEN = {State.DOWN, State.FAILED, State.CRASH_LOOPING, State.UNRESPONSIVE, State.DEGRADED}


@dataclass(frozen=True)
class StateChange:
    """A component entered a state."""

    at: str
    component: str
    state: State
    detail: str = ""


class StatusBoard:
    """Holds the status, writes it to its file at each change, and calls the listener.

    Errors of the status file, the log and the listener never reach the caller; they are logged once it works again.
    """

    def __init__(self, status: StackStatus, path: Path, log: LogFile, listener: Callable[[StateChange], None]) -> None:
        self._status = status
        self._path = path
        self._log = log
        self._listener = listener
        self._changed = threading.Condition()
        self._file_writes = BestEffort("the status file")
        self._log_writes = BestEffort("this log")
        self._listener_calls = BestEffort("the output")
        self._closed = threading.Event()
        write_status(path, status)
        self._heartbeat = threading.Thread(target=self._keep_fresh, name="status-heartbeat", daemon=True)
        self._heartbeat.start()

    @property
    def status(self) -> StackStatus:
        """The current status."""
        return self._status

    def state(self, name: str) -> State:
        """Return the state of a component."""
        return self._status.components[name].state

    def close(self) -> None:
        """Stop the heartbeat."""
        self._closed.set()
        self._heartbeat.join()

    def set_state(
        self, name: str, state: State, process: Process | None, detail: str = "", *, restarted: bool = False
    ) -> None:
        """Set the state of a component, with its current process."""
        process_id = process.process_id if process is not None and process.running() else None
        with self._changed:
            old = self._status.components[name]
            new = dataclasses.replace(
                old,
                state=state,
                since=old.since if state == old.state else utc_now(),
                pid=process_id.pid if process_id else None,
                started_ticks=process_id.started_ticks if process_id else None,
                restarts=old.restarts + restarted,
                detail=detail,
            )
            self._status = dataclasses.replace(self._status, components={**self._status.components, name: new})
            self._changed.notify_all()
            if new != old:
                self._write_file()
            if state == old.state:
                return
            change = StateChange(new.since, name, state, detail)
            level = "warning" if state in BROKEN else "info"
            self._write_log(level, f"component {state}", {"component": name} | ({"detail": detail} if detail else {}))
        self._log_recovery(self._listener_calls.attempt(lambda: self._listener(change)))

    def _write_file(self) -> None:
        self._log_recovery(self._file_writes.attempt(lambda: write_status(self._path, self._status)))

    def _log_recovery(self, message: str) -> None:
        if message:
            self._write_log("warning", message, {})

    def _write_log(self, level: str, message: str, fields: Mapping[str, str]) -> None:
        line = SCHEMA.line(time.time(), level, message, __name__, fields)

        def append() -> None:
            self._log.try_rotate()
            with os.fdopen(self._log.open_append(), "a") as file:
                file.write(json.dumps(line) + "\n")

        self._log_recovery(self._log_writes.attempt(append))

    def _keep_fresh(self) -> None:
        """Touch the status file at each heartbeat, or write it again after an error."""
        while not self._closed.wait(HEARTBEAT_SECONDS):
            with self._changed:
                if self._file_writes.failing:
                    self._write_file()
                else:
                    self._log_recovery(self._file_writes.attempt(lambda: os.utime(self._path)))

    def wait(self, condition: Callable[[StackStatus], bool], timeout_seconds: float) -> bool:
        """Block until the condition holds for the status; return whether it did in time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not condition(self._status):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True
