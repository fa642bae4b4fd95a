"""What runs, as a file in the state folder that other terminals read."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from stack import proc
from stack.errors import ServerFailed
from stack.paths import write_private
from stack.proc import ProcessId

POLL_SECONDS = 0.05


class State(StrEnum):
    """Where a component is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    DOWN = "down"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ComponentStatus:
    """What is known of one component; `since` is when it came into its state."""

    state: State = State.WAITING
    since: str = ""
    pid: int | None = None
    started_ticks: int | None = None
    restarts: int = 0
    address: str = ""
    log: str = ""
    detail: str = ""

    @property
    def process_id(self) -> ProcessId | None:
        """The process, as it was when this was written."""
        if self.pid is None or self.started_ticks is None:
            return None
        return ProcessId(self.pid, self.started_ticks)


@dataclass(frozen=True)
class Servers:
    """Where the databases and Kafka are, local or given, so that commands need no setting again."""

    # A conninfo string without user, password and database.
    postgres: str = ""
    kafka: str = ""
    kafka_properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackStatus:
    """What is known of a stack: its supervisor, addresses, components by name in start order, and servers."""

    supervisor: ProcessId
    run_dir: str
    addresses: dict[str, str]
    components: dict[str, ComponentStatus] = field(default_factory=dict)
    servers: Servers = field(default_factory=lambda: Servers())

    @property
    def running(self) -> bool:
        """Say whether the supervisor lives."""
        return self.supervisor.alive()

    @property
    def ready(self) -> bool:
        """Say whether every component is ready or done."""
        return self.running and all(one.state in (State.READY, State.DONE) for one in self.components.values())


def now() -> str:
    """Return the time in UTC as people and programs read it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_status(path: Path, status: StackStatus) -> None:
    """Write the file, whole or not at all."""
    write_private(path, json.dumps(asdict(status), indent=2) + "\n")


def read_status(path: Path) -> StackStatus | None:
    """Read the file; None when there is none or it is not one of ours."""
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        components = {
            name: ComponentStatus(**{**one, "state": State(one["state"])}) for name, one in known["components"].items()
        }
        servers = Servers(**known.get("servers", {}))
        return StackStatus(ProcessId(**known["supervisor"]), known["run_dir"], known["addresses"], components, servers)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def end_recorded(status: StackStatus) -> None:
    """End the component processes that a killed supervisor left, if they still are the recorded ones."""
    known = [one.process_id for one in status.components.values()]

    def living() -> list[int]:
        return [process_id.pid for process_id in known if process_id is not None and process_id.alive()]

    proc.end_all(living, signal.SIGTERM, 10)


def stop_running(path: Path, timeout_seconds: float) -> bool:
    """Ask a stack of another terminal to stop and block until it has; return False when none runs.

    Raises ServerFailed when it does not stop in time.
    """
    status = read_status(path)
    if status is None:
        return False
    if not status.running:
        end_recorded(status)
        return False
    os.kill(status.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while status.running:
        if time.monotonic() > deadline:
            raise ServerFailed(f"the stack (pid {status.supervisor.pid}) did not stop within {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)
    return True
