"""Reads /proc: processes that may not be our children."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STARTTIME_FIELD = 19
# The state of a socket in /proc/net/tcp.
LISTEN = "0A"
END_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessId:
    """Identifies one process: a pid is reused, a pid with its start time is not."""

    pid: int
    started_ticks: int

    def alive(self) -> bool:
        """Return whether this process still runs; a zombie does not."""
        return identify(self.pid) == self


def stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def identify(pid: int) -> ProcessId | None:
    """Return the ProcessId of a running process, None when it has ended."""
    fields = stat_fields(pid)
    if not fields or fields[0] in ("Z", "X"):
        return None
    return ProcessId(pid, int(fields[STARTTIME_FIELD]))


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when it cannot be read."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def pids() -> list[int]:
    """Return the pids of all visible processes."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def working_in(folder: Path, program: str) -> list[int]:
    """Return the pids of the processes of a program whose working directory is folder."""
    wanted = os.path.realpath(folder)
    found = []
    for pid in pids():
        try:
            executable = os.path.basename(os.readlink(PROC / str(pid) / "exe"))
            if executable == program and os.readlink(PROC / str(pid) / "cwd") == wanted:
                found.append(pid)
        except OSError:
            continue
    return found


def listens(pid: int, port: int) -> bool:
    """Return whether a process is the one that listens on a TCP port, over IPv4 or IPv6."""
    sockets = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    try:
        # Closed also when a descriptor is gone before it is read.
        with os.scandir(PROC / str(pid) / "fd") as entries:
            held = {os.readlink(entry) for entry in entries}
    except OSError:
        return False
    return bool(sockets) and sockets <= held


def listening_inodes(port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on a TCP port."""
    for name in ("tcp", "tcp6"):
        for row in (PROC / "net" / name).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def descendants(pid: int) -> list[int]:
    """Return the pids of all running descendants of a process."""
    parents = {other: int(fields[1]) for other in pids() if (fields := stat_fields(other)) and fields[0] != "Z"}
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent]
        found += children
        waiting += children
    return found


def end_all(find: Callable[[], list[int]], stop_signal: signal.Signals, grace_seconds: float) -> None:
    """Send a signal to the processes that `find` returns, SIGKILL after the grace period; block until all ended."""
    deadline = time.monotonic() + grace_seconds
    sent: set[int] = set()
    while running := find():
        in_grace = time.monotonic() < deadline
        for pid in running:
            if not in_grace or pid not in sent:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, stop_signal if in_grace else signal.SIGKILL)
        sent.update(running)
        time.sleep(END_POLL_SECONDS)
