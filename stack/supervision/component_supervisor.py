"""Supervises one component in a thread of its own: starts it after its dependencies, checks and restarts it."""

from __future__ import annotations

import threading
import time

from runtime.process.restarts import Restarts
from stack.processes.process import Process, explain_exit
from stack.supervision.component import Component
from stack.supervision.status import HEALTHY_STATES, StackStatus, State
from stack.supervision.status_board import StatusBoard

WATCH_SECONDS = 0.1
ROTATE_SECONDS = 5.0
# The interval of health checks of a component that is not ready.
RECHECK_SECONDS = 1.0
# A check without an answer may be due to a busy machine.
TOLERATED_TIMEOUTS = 1


class ComponentSupervisor:
    """Supervises one component until `stop`; once it has been ready, no error ends the supervision."""

    def __init__(self, component: Component, board: StatusBoard, ready_seconds: float) -> None:
        self.component = component
        self._board = board
        self._ready_seconds = ready_seconds
        self._stopping = threading.Event()
        self._start_or_stop = threading.Lock()
        self._rotated_at = time.monotonic()
        self._restarts = Restarts()
        self._failure = ""
        self._checked_at = 0.0
        self._timeouts = 0
        self._thread = threading.Thread(target=self._run, name=f"component-{component.name}", daemon=True)

    def start(self) -> None:
        """Start to supervise the component; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the component; blocks until it is gone."""
        self._stopping.set()
        detail = ""
        if self._running() and not self.component.once:
            self._set_state(State.DRAINING)
        with self._start_or_stop:
            try:
                self.component.runner.stop()
            except Exception as error:  # the other components must be stopped all the same
                detail = describe(error)
        if self._thread.ident is not None:
            self._thread.join()
        if self._board.state(self.component.name) != State.DONE:
            self._set_state(State.STOPPED, detail)

    def _run(self) -> None:
        try:
            if not self._await_dependencies():
                return
            self._start_and_wait(restarted=False)
        except Exception as error:  # `up` reports any error
            if not self._stopping.is_set():
                self._failure = "" if self._running() else describe(error)
                self._set_state(State.FAILED if self.component.required else State.DOWN, describe(error))
            if self.component.required:
                return
        if not self.component.once:
            self._watch()

    def _await_dependencies(self) -> bool:
        while not self._stopping.is_set():
            if self._board.wait(self._dependencies_are_ready, WATCH_SECONDS):
                return True
        return False

    def _dependencies_are_ready(self, status: StackStatus) -> bool:
        return all(status.components[name].state in HEALTHY_STATES for name in self.component.depends_on)

    def _start_and_wait(self, *, restarted: bool) -> None:
        with self._start_or_stop:
            if self._stopping.is_set():
                return
            self._set_state(State.STARTING, restarted=restarted)
            self._restarts.started()
            self.component.runner.start()
        self._restarts.started()
        self._failure = ""
        self._set_state(State.STARTING)
        self._await_ready()

    def _await_ready(self) -> None:
        self.component.runner.wait_ready(self._ready_seconds)
        self._checked_at, self._timeouts = time.monotonic(), 0
        if self.component.once:
            self._set_state(State.DONE)
        else:
            self._set_checked_state(State.READY, "")

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            try:
                self._supervise()
            except Exception as error:  # such as a full disk or a server that is not ready: retried without a limit
                if not self._stopping.is_set():
                    self._failure = "" if self._running() else describe(error)
                    self._set_state(State.DOWN, describe(error))

    def _supervise(self) -> None:
        self._rotate_logs()
        process = self.component.runner.process
        if self._running():
            if self._board.state(self.component.name) == State.DOWN:
                self._await_ready()
            self._check()
            return
        delay_seconds = self._restarts.exited()
        down = State.CRASH_LOOPING if self._restarts.crash_looping(running=False) else State.DOWN
        self._set_state(down, self._failure or exit_reason(process))
        if not self._stopping.wait(delay_seconds):
            self._start_and_wait(restarted=True)

    def _check(self) -> None:
        """Check the component's health when it is time."""
        state = self._board.state(self.component.name)
        now = time.monotonic()
        calm = state == State.READY and not self._timeouts
        if now - self._checked_at < (self.component.check_seconds if calm else RECHECK_SECONDS):
            return
        found, detail = self.component.check()
        self._checked_at = time.monotonic()
        self._timeouts = self._timeouts + 1 if found == State.UNRESPONSIVE else 0
        if self._timeouts != TOLERATED_TIMEOUTS and not self._stopping.is_set():
            self._set_checked_state(found, detail)

    def _set_checked_state(self, state: State, detail: str) -> None:
        """Set the state of a running component; a crash-looping one is ready only after it has run for a while."""
        if state == State.READY and self._restarts.crash_looping(running=True):
            times = self._restarts.early_exits
            state, detail = State.CRASH_LOOPING, f"ended {times} times in a row soon after its start"
        self._set_state(state, detail)

    def _running(self) -> bool:
        process = self.component.runner.process
        return process is not None and process.running()

    def _rotate_logs(self) -> None:
        now = time.monotonic()
        if now - self._rotated_at > ROTATE_SECONDS:
            self._rotated_at = now
            for log in self.component.logs:
                log.try_rotate()

    def _set_state(self, state: State, detail: str = "", *, restarted: bool = False) -> None:
        process = self.component.runner.process
        self._board.set_state(self.component.name, state, process, detail, restarted=restarted)


def describe(error: Exception) -> str:
    """Return the message of an error, its type when it has none."""
    return str(error) or type(error).__name__


def exit_reason(process: Process | None) -> str:
    """Return how a component's process ended."""
    code = None if process is None else process.returncode
    return "not started" if code is None else explain_exit(code)
