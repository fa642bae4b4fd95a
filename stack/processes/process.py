"""A child process: started so that it ends with us, stopped for certain, explained when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from runtime.process import child
from stack.errors import ServerFailed
from stack.processes.identity import Identity
from stack.processes.logfile import LogFile
from stack.processes.proc import ProcessId, identify

POLL_SECONDS = 0.02
KILL_SECONDS = 10.0
INHERITED = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "PYTHONPATH")
# The kernel's death signal follows the thread that started the child, so that thread must live as long as we do.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")


# What a test puts before the words of a command, by the command's name; see `started_through`.
_through: list[Callable[[str], Sequence[str]]] = []


def inherited_env() -> dict[str, str]:
    """Return what every child gets of our environment; settings are passed by name, never by chance."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


@contextlib.contextmanager
def started_through(launcher: Callable[[str], Sequence[str]]) -> Iterator[None]:
    """Start everything meanwhile through what `launcher` gives by name, such as a program that moves the clock."""
    _through.append(launcher)
    try:
        yield
    finally:
        _through.pop()


@dataclass(frozen=True)
class Command:
    """Says how a process is started and how it is asked to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=inherited_env)
    identity: Identity | None = None
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 10.0
    clean_codes: frozenset[int] = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})


def wrapped(command: Command) -> list[str]:
    """Return the command line that goes through runtime.process.child."""
    identity = command.identity or Identity(child.KEEP_USER, child.KEEP_USER)
    words = (os.getpid(), int(command.death_signal), identity.uid, identity.gid)
    return [sys.executable, "-I", "-S", child.__file__, *map(str, words), *launched(command)]


def launched(command: Command) -> list[str]:
    """Return the words of a command behind those that it is started through."""
    return [word for launcher in _through for word in launcher(command.name)] + list(command.argv)


def explain_exit(returncode: int) -> str:
    """Return words for a return code as subprocess gives it."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


class Process:
    """Runs one command at a time in a process group of its own."""

    def __init__(self, command: Command, log: LogFile) -> None:
        self.command = command
        self.log = log
        self._popen: subprocess.Popen[bytes] | None = None
        self._identity: ProcessId | None = None
        self._lock = threading.Lock()
        self._log_start_bytes = 0

    def start(self) -> None:
        """Start the process; raise ServerFailed when it runs already or cannot be started."""
        if self.running():
            raise ServerFailed(f"{self.command.name} runs already (pid {self.pid})")
        self.log.try_rotate()
        self._log_start_bytes = self.log.size_bytes()
        try:
            self._popen = _spawner.submit(self._spawn).result()
        except OSError as error:
            raise ServerFailed(f"{self.command.name} cannot be started: {error}") from error
        self._identity = identify(self._popen.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = self.log.open_append_or_null()
        try:
            return subprocess.Popen(
                wrapped(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.command.env),
                cwd=self.command.cwd,
                umask=0o077,
                start_new_session=True,
            )
        finally:
            os.close(log)

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return None if self._popen is None else self._popen.pid

    @property
    def identity(self) -> ProcessId | None:
        """The process id with its start time, None before the first start."""
        return self._identity

    @property
    def returncode(self) -> int | None:
        """The return code as subprocess gives it, None while it runs or before the first start."""
        self._reap()
        return None if self._popen is None else self._popen.returncode

    def running(self) -> bool:
        """Say whether the process runs."""
        return self._popen is not None and self.returncode is None

    def _reap(self) -> None:
        # The group is killed while the dead leader still holds the number, so that it cannot be anyone else's.
        with self._lock:
            popen = self._popen
            if popen is None or popen.returncode is not None:
                return
            if os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()

    def wait(self, timeout_seconds: float) -> bool:
        """Block until the process has ended; say whether it did in time."""
        deadline = time.monotonic() + timeout_seconds
        while self.running():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to the process, nothing when it does not run."""
        if self.running() and self._popen is not None:
            self._popen.send_signal(signal_number)

    def kill(self) -> None:
        """Kill the whole process group at once and wait for it."""
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._popen.pid, signal.SIGKILL)
        self.wait(KILL_SECONDS)

    def stop(self) -> None:
        """Ask the process to stop, kill it when it does not within its time; blocks until it is gone."""
        self.send(self.command.stop_signal)
        if not self.wait(self.command.stop_seconds):
            self.kill()

    def ended_cleanly(self) -> bool:
        """Say whether the last run ended as a stop that was asked for does."""
        return self.returncode in self.command.clean_codes

    def failure(self, what: str) -> ServerFailed:
        """Return the error that says what happened, with the last lines of the log."""
        ended = "" if self.returncode is None else f" ({explain_exit(self.returncode)})"
        tail = self.log.tail(since_bytes=self._log_start_bytes)
        return ServerFailed(f"{self.command.name} {what}{ended}; log {self.log.path}:\n{tail}".rstrip(":\n"))

    def this_run(self) -> str:
        """Return the end of what the current or last run wrote."""
        return self.log.tail(lines=200, since_bytes=self._log_start_bytes)
