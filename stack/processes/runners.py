"""What a component runs: a service, a task that ends, or a function in this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from stack.errors import ServerFailed
from stack.processes.logfile import LogFile
from stack.processes.process import POLL_SECONDS, Command, Process

READY_SECONDS = 60.0


class Runner(Protocol):
    """Something that is started, waited for and stopped."""

    @property
    def process(self) -> Process | None:
        """Its process, None before the first start or when it has none."""

    def start(self) -> None:
        """Start it. Raises StackError."""

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until it is ready. Raises ServerFailed when it ends or is not ready in time."""

    def stop(self) -> None:
        """Stop it; blocks until it is gone."""


def running_pid(runner: Runner) -> int | None:
    """Return the pid of the process of a runner, None while none runs."""
    process = runner.process
    return process.pid if process is not None and process.running() else None


RunnerType = TypeVar("RunnerType", bound=Runner)


@contextlib.contextmanager
def running(runner: RunnerType) -> Iterator[RunnerType]:
    """Start a runner, wait until it is ready and yield it; stop it at the end, also when it fails to start.

    Raises StackError.
    """
    try:
        runner.start()
        runner.wait_ready(READY_SECONDS)
        yield runner
    finally:
        runner.stop()


class Program:
    """Runs a command as a process."""

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
        """Stop the process if it runs; blocks until it is gone."""
        self._process.stop()


class Server:
    """Runs a process whose command is known at its start only; a server defines `start` and `wait_ready`."""

    _process: Process | None = None

    @property
    def process(self) -> Process | None:
        """The process, None before the first start."""
        return self._process

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """Stop the process if it runs; blocks until it is gone."""
        if self._process is not None:
            self._process.stop()


class Service(Program):
    """Runs a process that keeps running, with a probe that tells when it is ready."""

    def __init__(self, command: Command, log: LogFile, probe: Callable[[], bool]) -> None:
        super().__init__(command, log)
        self._probe = probe

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the probe succeeds. Raises ServerFailed when the process ends or is not ready in time."""
        await_ready(self._process, self._probe, timeout_seconds)


class Task(Program):
    """Runs a process that ends by itself."""

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the process has succeeded. Raises ServerFailed when it fails or does not end in time."""
        if not self._process.wait(timeout_seconds):
            raise self._process.failure(f"did not finish within {timeout_seconds:g} s")
        if self._process.returncode != 0:
            raise self._process.failure("failed")


class Step:
    """Calls a function in this process."""

    process = None

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def start(self) -> None:
        """Call the function."""
        self._call()

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return at once: start has returned from the call."""

    def stop(self) -> None:
        """Do nothing: the call is over."""


def await_ready(process: Process | None, probe: Callable[[], bool], timeout_seconds: float) -> None:
    """Block until the probe succeeds. Raises ServerFailed when the process ends or is not ready in time."""
    if process is None:
        raise ServerFailed("not started")
    deadline = time.monotonic() + timeout_seconds
    while not probe():
        if not process.running():
            raise process.failure("ended before it was ready")
        if time.monotonic() > deadline:
            raise process.failure(f"was not ready after {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)
