"""What the supervisor can start: a service that stays, a task that ends, a step in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from stack.errors import ServerFailed
from stack.processes.logfile import LogFile
from stack.processes.process import POLL_SECONDS, Command, Process


class Runner(Protocol):
    """Something with a life: started, waited for, stopped."""

    @property
    def process(self) -> Process | None:
        """The process behind it, None before the first start or when there is none."""

    def start(self) -> None:
        """Start it; raise StackError when it cannot be."""

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until it can be used; raise ServerFailed when it ends or is not in time."""

    def stop(self) -> None:
        """Stop it; blocks until it is gone."""


class Program:
    """Runs a process that was told how to run."""

    def __init__(self, command: Command, log: LogFile) -> None:
        self._process = Process(command, log)

    @property
    def process(self) -> Process:
        """The process."""
        return self._process

    def start(self) -> None:
        """Start the process."""
        self._process.start()

    def stop(self) -> None:
        """Stop the process when it still runs; blocks until it is gone."""
        self._process.stop()


class Service(Program):
    """Runs a process that stays, with a probe that says when it serves."""

    def __init__(self, command: Command, log: LogFile, probe: Callable[[], bool]) -> None:
        super().__init__(command, log)
        self._probe = probe

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the probe says yes; raise ServerFailed when the process ends or does not in time."""
        await_ready(self._process, self._probe, timeout_seconds)


class Task(Program):
    """Runs a process that does one thing and ends."""

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the process has ended well; raise ServerFailed when it ends badly or not in time."""
        if not self._process.wait(timeout_seconds):
            raise self._process.failure(f"did not finish within {timeout_seconds:g} s")
        if self._process.returncode != 0:
            raise self._process.failure("failed")


class Step:
    """Calls a function of this process once."""

    process = None

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def start(self) -> None:
        """Call the function."""
        self._call()

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return at once: the call is over when start returns."""

    def stop(self) -> None:
        """Do nothing: a call that is over has nothing to stop."""


def await_ready(process: Process | None, probe: Callable[[], bool], timeout_seconds: float) -> None:
    """Block until the probe says yes; raise ServerFailed when the process ends or is not ready in time."""
    if process is None:
        raise ServerFailed("not started")
    deadline = time.monotonic() + timeout_seconds
    while not probe():
        if not process.running():
            raise process.failure("ended before it was ready")
        if time.monotonic() > deadline:
            raise process.failure(f"was not ready after {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)
