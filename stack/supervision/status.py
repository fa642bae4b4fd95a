"""What runs, as a file in the state folder that other terminals read."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from stack.errors import ServerFailed
from stack.machine.paths import write_private
from stack.processes import proc
from stack.processes.proc import ProcessId

POLL_SECONDS = 0.05
BEAT_SECONDS = 2.0
# A supervisor that did not touch its file for this long is stopped, or cannot write.
SILENCE_SECONDS = 10.0


class State(StrEnum):
    """Where a component is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    # Its process runs, and does not answer, does not get on, refuses or fails what it is asked, or takes nothing new.
    UNRESPONSIVE = "unresponsive"
    DEGRADED = "degraded"
    DRAINING = "draining"
    # It ends again and again soon after its start.
    CRASH_LOOPING = "crash looping"
    UNKNOWN = "not known"
    DONE = "done"
    DOWN = "down"
    FAILED = "failed"
    STOPPED = "stopped"


WELL = (State.READY, State.DONE)


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
    # By how much all ports are moved.
    port_offset: int = 0
    # How long ago the supervisor last touched its file, as the reader saw.
    age_seconds: float = 0.0

    @property
    def given(self) -> list[str]:
        """What the stack keeps on servers that were given to it, with their addresses, in words."""
        found = []
        if "postgres" not in self.components and self.servers.postgres:
            where = conninfo_to_dict(self.servers.postgres)
            address = " ".join(f"{name}={where[name]}" for name in ("host", "hostaddr", "port") if name in where)
            found.append(f"the databases orders and analytics in PostgreSQL at {address or 'its default address'}")
        if self.servers.kafka and not any(name.startswith("kafka") for name in self.components):
            found.append(f"the topics in Kafka at {self.servers.kafka}")
        return found

    @property
    def running(self) -> bool:
        """Say whether the supervisor lives."""
        return self.supervisor.alive()

    @property
    def ready(self) -> bool:
        """Say whether every component is ready or done."""
        return self.running and self.kept and all(one.state in WELL for one in self.components.values())

    @property
    def kept(self) -> bool:
        """Say whether the supervisor keeps the file up to date."""
        return self.age_seconds < SILENCE_SECONDS


def now() -> str:
    """Return the time in UTC as people and programs read it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_status(path: Path, status: StackStatus) -> None:
    """Write the file, whole or not at all. Raises OSError."""
    known = asdict(status)
    del known["age_seconds"]
    write_private(path, json.dumps(known, indent=2) + "\n")


def read_status(path: Path) -> StackStatus | None:
    """Read the file and look for the processes in it; None when there is none or it is not one of ours."""
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        age_seconds = time.time() - path.stat().st_mtime
        components = {
            name: observed(ComponentStatus(**{**one, "state": State(one["state"])}))
            for name, one in known["components"].items()
        }
        servers = Servers(**known.get("servers", {}))
        supervisor = ProcessId(**known["supervisor"])
        offset = known.get("port_offset", 0)
        return StackStatus(supervisor, known["run_dir"], known["addresses"], components, servers, offset, age_seconds)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def observed(recorded: ComponentStatus) -> ComponentStatus:
    """Return what is recorded of a component, down when it is said to be ready and its process is not there."""
    process_id = recorded.process_id
    if recorded.state != State.READY or (process_id is not None and process_id.alive()):
        return recorded
    return dataclasses.replace(recorded, state=State.DOWN, detail="its process has ended, which is not recorded yet")


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
