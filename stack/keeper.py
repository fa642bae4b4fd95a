"""Keeps one component running in a thread of its own: starts it after what it needs, starts it again when it dies."""

from __future__ import annotations

import contextlib
import threading
import time

from stack.board import Board
from stack.errors import StackError
from stack.plan import Component
from stack.process import explain_exit
from stack.status import StackStatus, State

FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0
# A component that was ready this long was well: its next restart is immediate again.
SETTLED_SECONDS = 10.0
WATCH_SECONDS = 0.1
ROTATE_SECONDS = 5.0


class Keeper:
    """Tends one component until it is told to stop."""

    def __init__(self, component: Component, board: Board, ready_seconds: float) -> None:
        self.component = component
        self._board = board
        self._ready_seconds = ready_seconds
        self._stopping = threading.Event()
        self._life = threading.Lock()
        self._rotated_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{component.name}", daemon=True)

    def start(self) -> None:
        """Begin to tend the component."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the component for good; blocks until it is gone."""
        self._stopping.set()
        with self._life:
            self.component.runner.stop()
        if self._thread.ident is not None:
            self._thread.join()
        if self._board.state(self.component.name) != State.DONE:
            self._enter(State.STOPPED)

    def _run(self) -> None:
        if not self._await_needs():
            return
        try:
            self._start_and_wait(restarted=False)
        except (StackError, OSError) as error:
            if not self._stopping.is_set():
                self._enter(State.FAILED, str(error))
            return
        if not self.component.once:
            self._watch()

    def _await_needs(self) -> bool:
        while not self._stopping.is_set():
            if self._board.wait(self._needs_are_met, WATCH_SECONDS):
                return True
        return False

    def _needs_are_met(self, status: StackStatus) -> bool:
        return all(status.components[name].state in (State.READY, State.DONE) for name in self.component.needs)

    def _start_and_wait(self, *, restarted: bool) -> None:
        with self._life:
            if self._stopping.is_set():
                return
            self._enter(State.STARTING, restarted=restarted)
            self.component.runner.start()
        self._enter(State.STARTING)
        self.component.runner.wait_ready(self._ready_seconds)
        self._enter(State.DONE if self.component.once else State.READY)

    def _watch(self) -> None:
        backoff_seconds, ready_at = FIRST_BACKOFF_SECONDS, time.monotonic()
        while not self._stopping.wait(WATCH_SECONDS):
            now = time.monotonic()
            self._rotate_logs(now)
            process = self.component.runner.process
            if process is None or process.running():
                self._await_late()
                continue
            if now - ready_at > SETTLED_SECONDS:
                backoff_seconds = FIRST_BACKOFF_SECONDS
            self._enter(State.DOWN, explain_exit(process.returncode or 0))
            if self._stopping.wait(backoff_seconds):
                return
            backoff_seconds = min(backoff_seconds * 2, MAX_BACKOFF_SECONDS)
            self._restart()
            ready_at = time.monotonic()

    def _restart(self) -> None:
        try:
            self._start_and_wait(restarted=True)
        except (StackError, OSError) as error:
            if not self._stopping.is_set():
                self._enter(State.DOWN, str(error))

    def _await_late(self) -> None:
        """Wait on for a component that runs again and was not ready in time."""
        if self._board.state(self.component.name) == State.DOWN:
            with contextlib.suppress(StackError):
                self.component.runner.wait_ready(self._ready_seconds)
                self._enter(State.READY)

    def _rotate_logs(self, now: float) -> None:
        if now - self._rotated_at > ROTATE_SECONDS:
            self._rotated_at = now
            with contextlib.suppress(OSError):
                for log in self.component.logs:
                    log.rotate()

    def _enter(self, state: State, detail: str = "", *, restarted: bool = False) -> None:
        self._board.enter(self.component.name, state, self.component.runner.process, detail, restarted=restarted)
