"""The status file of a stack in its state folder, which other processes read."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from runtime.authentication import Authentication
from stack.machine.files import write_private
from stack.processes.proc import ProcessId

HEARTBEAT_SECONDS = 2.0
# A supervisor that has not touched its file for this long is stopped, or cannot write.
STALE_SECONDS = 10.0


class State(StrEnum):
    """The state of a component."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    # The process runs, and does not answer; makes no progress or rejects or fails requests; takes no new requests.
    UNRESPONSIVE = "unresponsive"
    DEGRADED = "degraded"
    DRAINING = "draining"
    # The process keeps exiting soon after its start.
    CRASH_LOOPING = "crash looping"
    UNKNOWN = "unknown"
    DONE = "done"
    DOWN = "down"
    FAILED = "failed"
    STOPPED = "stopped"


HEALTHY_STATES = (State.READY, State.DONE)
FAILED_STATES = (State.DOWN, State.CRASH_LOOPING)


@dataclass(frozen=True)
class ComponentStatus:
    """The status of one component; `since` is when it entered its state."""

    state: State = State.WAITING
    since: str = ""
    pid: int | None = None
    started_ticks: int | None = None
    restarts: int = 0
    address: str = ""
    log: str = ""
    detail: str = ""
    # Whether the stack is not ready without it.
    required: bool = True

    @property
    def started(self) -> bool:
        """Whether its start is over: it is ready, done, or failed without being required."""
        return self.state in HEALTHY_STATES or (not self.required and self.state in FAILED_STATES)

    @property
    def process_id(self) -> ProcessId | None:
        """The process at the time of writing."""
        if self.pid is None or self.started_ticks is None:
            return None
        return ProcessId(self.pid, self.started_ticks)


@dataclass(frozen=True)
class Servers:
    """The addresses of the databases and Kafka, local or external, so that commands need no settings for them."""

    # A conninfo string without user, password and database.
    postgres: str = ""
    kafka: str = ""
    kafka_properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackStatus:
    """The status of a stack: its supervisor, addresses, components by name in start order, and servers."""

    supervisor: ProcessId
    # The folder of the services' sockets.
    run_dir: str
    addresses: dict[str, str]
    components: dict[str, ComponentStatus] = field(default_factory=dict)
    servers: Servers = field(default_factory=lambda: Servers())
    # Added to all default ports.
    port_offset: int = 0
    authentication: Authentication = "off"
    # Since the supervisor last touched the file, when it was read.
    age_seconds: float = 0.0

    @property
    def external_data(self) -> list[str]:
        """What the stack stores on external servers, in words with their addresses."""
        found = []
        if not self.own_postgres and self.servers.postgres:
            where = conninfo_to_dict(self.servers.postgres)
            address = " ".join(f"{name}={where[name]}" for name in ("host", "hostaddr", "port") if name in where)
            found.append(f"the databases orders and analytics in PostgreSQL at {address or 'its default address'}")
        if self.servers.kafka and self.external_kafka:
            found.append(f"the topics in Kafka at {self.servers.kafka}")
        return found

    @property
    def own_postgres(self) -> bool:
        """Whether the stack started a PostgreSQL server."""
        return "postgres" in self.components

    @property
    def external_kafka(self) -> bool:
        """Whether the stack started no broker."""
        return not any(name.startswith("kafka") for name in self.components)

    @property
    def running(self) -> bool:
        """Whether the supervisor runs."""
        return self.supervisor.alive()

    @property
    def ready(self) -> bool:
        """Whether every component is ready or done, or failed without being required."""
        return self.running and self.current and all(one.started for one in self.components.values())

    @property
    def current(self) -> bool:
        """Whether the supervisor keeps the file up to date."""
        return self.age_seconds < STALE_SECONDS


def utc_now() -> str:
    """Return the current time in ISO 8601, in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_status(path: Path, status: StackStatus) -> None:
    """Write the file atomically. Raises OSError."""
    known = asdict(status)
    del known["age_seconds"]
    write_private(path, json.dumps(known, indent=2) + "\n")


def read_status(path: Path) -> StackStatus | None:
    """Read the file and check its processes; None when it does not exist or is not valid."""
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        age_seconds = time.time() - path.stat().st_mtime
        components = {
            name: with_actual_state(ComponentStatus(**{**one, "state": State(one["state"])}))
            for name, one in known["components"].items()
        }
        servers = Servers(**known.get("servers", {}))
        supervisor = ProcessId(**known["supervisor"])
        offset = known.get("port_offset", 0)
        auth = known.get("authentication", "off")
        return StackStatus(
            supervisor, known["run_dir"], known["addresses"], components, servers, offset, auth, age_seconds
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def with_actual_state(recorded: ComponentStatus) -> ComponentStatus:
    """Return the recorded status of a component, as down when it is recorded as ready and its process has ended."""
    process_id = recorded.process_id
    if recorded.state != State.READY or (process_id is not None and process_id.alive()):
        return recorded
    return dataclasses.replace(recorded, state=State.DOWN, detail="its process has ended")
