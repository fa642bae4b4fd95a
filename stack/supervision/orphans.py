"""Ends what a killed supervisor left, and stops the stack that another process runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from stack.errors import ServerFailed
from stack.processes import proc
from stack.processes.waiting import wait_until
from stack.supervision.status import StackStatus, read_status


def end_orphans(status: StackStatus) -> None:
    """End the processes that a killed supervisor left, if they are still the recorded ones."""
    known = [one.process_id for one in status.components.values()]

    def living() -> list[int]:
        return [process_id.pid for process_id in known if process_id is not None and process_id.alive()]

    proc.end_all(living, signal.SIGTERM, 10)


def stop_running(path: Path, timeout_seconds: float) -> bool:
    """Stop the stack that another process runs, and block until it has stopped; return False when none runs.

    Raises ServerFailed when it does not stop in time.
    """
    status = read_status(path)
    if status is None:
        return False
    if not status.running:
        end_orphans(status)
        return False
    os.kill(status.supervisor.pid, signal.SIGTERM)
    if not wait_until(lambda: not status.running, timeout_seconds):
        raise ServerFailed(f"the stack (pid {status.supervisor.pid}) did not stop within {timeout_seconds:g} s")
    return True
