"""Keeps one component running in a thread of its own: starts it after what it needs, starts it again when it dies."""

from __future__ import annotations

import threading
import time

from runtime.process.restarts import Restarts
from stack.processes.process import Process, explain_exit
from stack.supervision.board import Board
from stack.supervision.components import Component
from stack.supervision.status import WELL, StackStatus, State

WATCH_SECONDS = 0.1
ROTATE_SECONDS = 5.0
# What is ready is looked at so often, anything else more often; and a busy machine is forgiven one look.
CHECK_SECONDS = 5.0
RECHECK_SECONDS = 1.0
FORGIVEN_CHECKS = 1


class Keeper:
    """Tends one component until it is told to stop; no error ends that, once the component has been ready."""

    def __init__(self, component: Component, board: Board, ready_seconds: float) -> None:
        self.component = component
        self._board = board
        self._ready_seconds = ready_seconds
        self._stopping = threading.Event()
        self._life = threading.Lock()
        self._rotated_at = time.monotonic()
        self._restarts = Restarts()
        self._failure = ""
        self._checked_at = 0.0
        self._unanswered = 0
        self._thread = threading.Thread(target=self._run, name=f"keeper-{component.name}", daemon=True)

    def start(self) -> None:
        """Begin to tend the component."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the component for good; blocks until it is gone."""
        self._stopping.set()
        detail = ""
        if self._running() and not self.component.once:
            self._enter(State.DRAINING)
        with self._life:
            try:
                self.component.runner.stop()
            except Exception as error:  # the others have to be stopped all the same
                detail = words(error)
        if self._thread.ident is not None:
            self._thread.join()
        if self._board.state(self.component.name) != State.DONE:
            self._enter(State.STOPPED, detail)

    def _run(self) -> None:
        try:
            if not self._await_needs():
                return
            self._start_and_wait(restarted=False)
        except Exception as error:  # whatever it is, `up` has to hear of it
            if not self._stopping.is_set():
                self._enter(State.FAILED, words(error))
            return
        if not self.component.once:
            self._watch()

    def _await_needs(self) -> bool:
        while not self._stopping.is_set():
            if self._board.wait(self._needs_are_met, WATCH_SECONDS):
                return True
        return False

    def _needs_are_met(self, status: StackStatus) -> bool:
        return all(status.components[name].state in WELL for name in self.component.needs)

    def _start_and_wait(self, *, restarted: bool) -> None:
        with self._life:
            if self._stopping.is_set():
                return
            self._enter(State.STARTING, restarted=restarted)
            self._restarts.started()
            self.component.runner.start()
        self._restarts.started()
        self._failure = ""
        self._enter(State.STARTING)
        self._await_ready()

    def _await_ready(self) -> None:
        self.component.runner.wait_ready(self._ready_seconds)
        self._checked_at, self._unanswered = time.monotonic(), 0
        if self.component.once:
            self._enter(State.DONE)
        else:
            self._enter_checked(State.READY, "")

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            try:
                self._tend()
            except Exception as error:  # a full disk, a server that is not ready: it is tried again for ever
                if not self._stopping.is_set():
                    self._failure = "" if self._running() else words(error)
                    self._enter(State.DOWN, words(error))

    def _tend(self) -> None:
        self._rotate_logs()
        process = self.component.runner.process
        if self._running():
            if self._board.state(self.component.name) == State.DOWN:
                self._await_ready()
            self._check()
            return
        delay_seconds = self._restarts.exited()
        down = State.CRASH_LOOPING if self._restarts.crash_looping(running=False) else State.DOWN
        self._enter(down, self._failure or ended(process))
        if not self._stopping.wait(delay_seconds):
            self._start_and_wait(restarted=True)

    def _check(self) -> None:
        """Ask now and then how the component is."""
        state = self._board.state(self.component.name)
        now = time.monotonic()
        calm = state == State.READY and not self._unanswered
        if now - self._checked_at < (CHECK_SECONDS if calm else RECHECK_SECONDS):
            return
        found, detail = self.component.check()
        self._checked_at = time.monotonic()
        self._unanswered = self._unanswered + 1 if found == State.UNRESPONSIVE else 0
        if self._unanswered != FORGIVEN_CHECKS and not self._stopping.is_set():
            self._enter_checked(found, detail)

    def _enter_checked(self, state: State, detail: str) -> None:
        """Enter a state of a running component; one that ended again and again has to last before it is ready."""
        if state == State.READY and self._restarts.crash_looping(running=True):
            times = self._restarts.early_exits
            state, detail = State.CRASH_LOOPING, f"ended {times} times in a row soon after its start"
        self._enter(state, detail)

    def _running(self) -> bool:
        process = self.component.runner.process
        return process is not None and process.running()

    def _rotate_logs(self) -> None:
        now = time.monotonic()
        if now - self._rotated_at > ROTATE_SECONDS:
            self._rotated_at = now
            for log in self.component.logs:
                log.try_rotate()

    def _enter(self, state: State, detail: str = "", *, restarted: bool = False) -> None:
        self._board.enter(self.component.name, state, self.component.runner.process, detail, restarted=restarted)


def words(error: Exception) -> str:
    """Return what a person is told of an error."""
    return str(error) or type(error).__name__


def ended(process: Process | None) -> str:
    """Say how a component's process ended."""
    code = None if process is None else process.returncode
    return "not started" if code is None else explain_exit(code)
