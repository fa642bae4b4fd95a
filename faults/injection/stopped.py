"""Processes that are stopped for a while and go on."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from stack.processes.waiting import wait_until

STOP_SECONDS = 10.0
# Stopped by a signal; a zombie, or gone.
STOPPED = "TtZX"


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop processes within the block, as if they took very long."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        # A thread that runs on another core stops a moment later.
        wait_until(lambda: all(map(is_stopped, pids)), STOP_SECONDS)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Return whether every thread of a process is stopped, or the process has ended."""
    states = (path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat"))
    try:
        return all(state in STOPPED for state in states)
    except OSError:
        return not Path(f"/proc/{pid}").exists()
