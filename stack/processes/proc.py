"""What /proc says about processes that may not be our children."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STARTTIME_FIELD = 19
END_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessId:
    """Names one process for good: a pid alone is given again, a pid with its start time is not."""

    pid: int
    started_ticks: int

    def alive(self) -> bool:
        """Say whether this very process still runs; a zombie does not."""
        return identify(self.pid) == self


def stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a running process; None for one that ended."""
    fields = stat_fields(pid)
    if not fields or fields[0] in ("Z", "X"):
        return None
    return ProcessId(pid, int(fields[STARTTIME_FIELD]))


def command_line(pid: int) -> str:
    """Return what a process was started as, empty when it cannot be read."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def pids() -> list[int]:
    """Return the ids of all processes that can be seen."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def working_in(folder: Path, program: str) -> list[int]:
    """Return the processes of a program whose working folder is folder; a person's shell in it is none of them."""
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


def descendants(pid: int) -> list[int]:
    """Return the running children of a process, their children and so on."""
    parents = {other: int(fields[1]) for other in pids() if (fields := stat_fields(other)) and fields[0] != "Z"}
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent]
        found += children
        waiting += children
    return found


def end_all(find: Callable[[], list[int]], stop_signal: signal.Signals, patience_seconds: float) -> None:
    """Signal what find returns until it returns nothing; kill it when patience is over."""
    deadline = time.monotonic() + patience_seconds
    sent: set[int] = set()
    while running := find():
        patient = time.monotonic() < deadline
        for pid in running:
            if not patient or pid not in sent:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, stop_signal if patient else signal.SIGKILL)
        sent.update(running)
        time.sleep(END_POLL_SECONDS)
