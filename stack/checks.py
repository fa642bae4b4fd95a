"""Looks at this machine: what a stack needs, whether it is there, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from frontdoor import check as frontdoor_check
from frontdoor import limits
from frontdoor.values import MIN_DESCRIPTORS, EnvoyConfigError

from runtime.process import descriptors
from stack.errors import PortTaken, StackError
from stack.machine import ports
from stack.machine.paths import StateFolder, default_cache
from stack.processes.identity import server_identity
from stack.servers import kafka_jars
from stack.servers.kafka import java
from stack.servers.postgres_binaries import locate
from stack.settings import StackSettings
from stack.supervision.status import WELL, StackStatus, read_status

RUN_SECONDS = 20
NEEDED_DISK_BYTES = 2 * 1024**3
NEEDED_MEMORY_BYTES = 1024**3
BROKER_MEMORY_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Finding:
    """Says of one thing whether it is in order, what was found, and what to do when it is not."""

    name: str
    good: bool
    found: str
    remedy: str = ""


def examine(home: Path, settings: StackSettings) -> Iterator[Finding]:
    """Look at one thing after the other; nothing is changed but the state folder made.

    While a stack runs with this home, its ports, memory and disk are in use and are not asked to be free.
    """
    yield Finding("Linux", platform.system() == "Linux", platform.platform(), "the local stack runs on Linux only")
    yield attempt("state folder", lambda: str(StateFolder(home).home))
    yield attempt("Envoy", lambda: first_line(str(frontdoor_check.envoy_binary()), "--version"))
    yield attempt("PostgreSQL", lambda: first_line(postgres_program(home), "--version"))
    yield attempt("Java", lambda: first_line(java(), "--version"))
    yield jars()
    status = read_status(home / "stack.json")
    if status is not None and status.running:
        yield running(status)
    else:
        yield from room(home, settings)
        yield free_ports(settings)
    yield open_files()
    curl = shutil.which("curl")
    yield Finding("curl", curl is not None, curl or "not found", "install curl: the examples and some tests use it")


def attempt(name: str, look: Callable[[], str]) -> Finding:
    """Return what look finds, or its error as the remedy."""
    try:
        return Finding(name, True, look())
    except (StackError, EnvoyConfigError) as error:
        return Finding(name, False, "missing", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, False, "cannot be run", str(error))


def first_line(*argv: str) -> str:
    """Return the first line that a program prints."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
    return next((line.strip() for line in done.stdout.splitlines() if line.strip()), "")


def postgres_program(home: Path) -> str:
    """Return the server program that a stack with this home would run."""
    return locate(server_identity(home / "postgres"), default_cache()).program("postgres")


def jars() -> Finding:
    """Say whether Kafka's jars are there."""
    folder = kafka_jars.cached()
    remedy = "`ordermesh fetch` gets them from Maven Central, 45 MB once"
    return Finding("Apache Kafka", folder is not None, str(folder or "jars not fetched yet"), remedy)


def open_files() -> Finding:
    """Say how many files and connections each process may hold open, once it has raised its limit."""
    limit = descriptors.raise_limit()
    remedy = f"raise the hard limit to {descriptors.WANTED} (ulimit -Hn, LimitNOFILE of systemd)"
    if limit < MIN_DESCRIPTORS:
        words = f"{limit} for each process: `ordermesh up` does not start with fewer than {MIN_DESCRIPTORS}"
        return Finding("open files", False, words, remedy)
    clients = limits.client_connections(limit)
    found = f"{limit} for each process: at most {clients} clients are connected at once"
    return Finding("open files", limit >= limits.DESCRIPTORS_FOR_OWN_CONNECTIONS, found, remedy)


def room(home: Path, settings: StackSettings) -> Iterator[Finding]:
    """Say whether there is room on the disk and in memory."""
    there = next(folder for folder in (home, *home.parents) if os.access(folder, os.F_OK))
    free = shutil.disk_usage(there).free
    yield Finding("disk", free >= NEEDED_DISK_BYTES, f"{free / 1024**3:.1f} GiB free", "2 GiB are needed to begin with")
    available = available_memory_bytes()
    found = f"{available / 1024**3:.1f} GiB available"
    needed = NEEDED_MEMORY_BYTES + (settings.kafka_brokers - 1) * BROKER_MEMORY_BYTES
    words = f"{needed / 1024**3:g} GiB is needed, half a GiB more under load"
    yield Finding("memory", available >= needed, found, words)


def available_memory_bytes() -> int:
    """Return how much memory programs can still take."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:")


def running(status: StackStatus) -> Finding:
    """Say how the running stack is doing."""
    ill = [f"{name} is {one.state}" for name, one in status.components.items() if one.state not in WELL]
    found = f"runs (pid {status.supervisor.pid}) at {status.addresses['rest']}"
    return Finding("stack", not ill, ", ".join([found, *ill]), "`ordermesh status` and `ordermesh logs` say more")


def free_ports(settings: StackSettings) -> Finding:
    """Say of the ports whether they are free."""
    try:
        ports.require_free(settings.local_ports())
    except PortTaken as error:
        return Finding("ports", False, "taken", str(error))
    return Finding("ports", True, ", ".join(str(port) for port in settings.local_ports().values()) + " are free")
