"""A child process that ends with its parent, can always be stopped, and whose failures are explained from its log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from runtime.process import child
from stack.errors import ServerFailed
from stack.processes.confinement import Confinement
from stack.processes.logfile import LogFile
from stack.processes.proc import ProcessId, identify
from stack.processes.server_account import Account
from stack.processes.waiting import wait_until

POLL_SECONDS = 0.02
KILL_SECONDS = 10.0
# The last one: `make coverage` measures the programs of stacks too.
INHERITED = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
EVERYWHERE = Confinement(readable=("/",), executable=("/",), writable=("/",))
# The kernel sends the death signal when the thread that started the child ends, so that thread must live as long.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
# The launchers of `started_through`.
_launchers: list[Callable[[str], Sequence[str]]] = []


def inherited_env() -> dict[str, str]:
    """Return the variables of our environment that every child inherits; settings are passed explicitly."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


@contextlib.contextmanager
def started_through(launcher: Callable[[str], Sequence[str]]) -> Iterator[None]:
    """Prefix every command in this context with `launcher(name)`, such as a program that moves the clock."""
    _launchers.append(launcher)
    try:
        yield
    finally:
        _launchers.pop()


@dataclass(frozen=True)
class Command:
    """How a process is started and stopped."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=inherited_env)
    # None runs it as our own account.
    account: Account | None = None
    # None leaves it everything that its account may access.
    confinement: Confinement | None = None
    # What it reads from its standard input: secrets, of which neither its command line nor a file tells.
    stdin: bytes = b""
    cwd: Path = Path("/")
    umask: int = 0o077
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 10.0
    clean_codes: frozenset[int] = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})


def wrapped(command: Command) -> list[str]:
    """Return the command line of runtime.process.child that runs a command."""
    granted, allowed = command.account, command.confinement
    prefix = [word for launcher in _launchers for word in launcher(command.name)]
    if prefix:
        # A launcher is where the program may not read. The account stays: others cannot bind the port held for it.
        allowed = EVERYWHERE if granted is not None and granted.passes_modes else None
    account = granted or Account(child.KEEP_USER, child.KEEP_USER)
    confinement = "" if allowed is None else allowed.as_json()
    words = (os.getpid(), int(command.death_signal), account.uid, account.gid, int(account.passes_modes), confinement)
    return [sys.executable, "-I", "-S", child.__file__, *map(str, words), *prefix, *command.argv]


def filled_pipe(command: Command) -> int:
    """Return the end of a pipe that yields the standard input once. Raises ServerFailed when that is too long."""
    content, (reading, writing) = command.stdin, os.pipe()
    try:
        if command.account is not None:
            # A program may open its standard input by name.
            os.fchown(reading, command.account.uid, command.account.gid)
        os.set_blocking(writing, False)
        written = os.write(writing, content) if content else 0
    finally:
        os.close(writing)
    if written != len(content):
        raise ServerFailed(f"{len(content):,} bytes are too many for the standard input of a process")
    return reading


def explain_exit(returncode: int) -> str:
    """Return a description of a return code, which is negative for a signal."""
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
        self._process_id: ProcessId | None = None
        self._lock = threading.Lock()
        self._log_start_bytes = 0

    def start(self) -> None:
        """Start the process. Raises ServerFailed when it runs already or cannot be started."""
        if self.running():
            raise ServerFailed(f"{self.command.name} is already running (pid {self.pid})")
        self.log.try_rotate()
        self._log_start_bytes = self.log.size_bytes()
        try:
            self._popen = _spawner.submit(self._spawn).result()
        except OSError as error:
            raise ServerFailed(f"{self.command.name} cannot be started: {error}") from error
        self._process_id = identify(self._popen.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        log, stdin = self.log.open_append_or_null(), filled_pipe(self.command)
        try:
            return subprocess.Popen(
                wrapped(self.command),
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=dict(self.command.env),
                cwd=self.command.cwd,
                umask=self.command.umask,
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(stdin)

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return None if self._popen is None else self._popen.pid

    @property
    def process_id(self) -> ProcessId | None:
        """The process id with its start time, None before the first start."""
        return self._process_id

    @property
    def returncode(self) -> int | None:
        """The return code, negative for a signal; None while it runs or before the first start."""
        self._reap()
        return None if self._popen is None else self._popen.returncode

    def running(self) -> bool:
        """Return whether the process runs."""
        return self._popen is not None and self.returncode is None

    def _reap(self) -> None:
        # The group is killed before its leader is reaped: afterwards the number may belong to another group.
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
        """Block until the process has ended; return whether it did in time."""
        return wait_until(lambda: not self.running(), timeout_seconds, POLL_SECONDS)

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to the process if it runs."""
        if self.running() and self._popen is not None:
            self._popen.send_signal(signal_number)

    def kill(self) -> None:
        """Kill the process group and wait until the process has ended."""
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._popen.pid, signal.SIGKILL)
        self.wait(KILL_SECONDS)

    def stop(self) -> None:
        """Send the stop signal, and kill the process when it does not end in time; blocks until it is gone."""
        self.send(self.command.stop_signal)
        if not self.wait(self.command.stop_seconds):
            self.kill()

    def ended_cleanly(self) -> bool:
        """Return whether the last run ended like a requested stop."""
        return self.returncode in self.command.clean_codes

    def failure(self, what: str) -> ServerFailed:
        """Return an error with what happened and the last lines of the log."""
        ended = "" if self.returncode is None else f" ({explain_exit(self.returncode)})"
        tail = self.log.tail(since_bytes=self._log_start_bytes)
        return ServerFailed(f"{self.command.name} {what}{ended}; log {self.log.path}:\n{tail}".rstrip(":\n"))

    def recent_log(self) -> str:
        """Return the last log lines of the current or last run."""
        return self.log.tail(lines=200, since_bytes=self._log_start_bytes)
