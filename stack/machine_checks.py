"""Checks whether this machine has what a stack needs, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from frontdoor import check as frontdoor_check
from frontdoor.policies import limits
from frontdoor.values import MIN_DESCRIPTORS, EnvoyConfigError

from runtime.process import descriptors
from runtime.process import landlock as kernel
from stack.downloads.jar_sets import JAR_SETS
from stack.downloads.jars import JarSet
from stack.errors import PortTaken, StackError
from stack.machine import ports
from stack.machine.paths import default_cache
from stack.machine.state_folder import StateFolder
from stack.processes.server_account import server_account
from stack.servers.java import java
from stack.servers.postgres_binaries import locate
from stack.settings import StackSettings
from stack.supervision.status import HEALTHY_STATES, StackStatus, read_status

RUN_SECONDS = 20
NEEDED_DISK_BYTES = 2 * 1024**3
NEEDED_MEMORY_BYTES = 1024**3
BROKER_MEMORY_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class MachineCheck:
    """The result of one check: what was found, and how to fix what did not pass."""

    name: str
    passed: bool
    found: str
    remedy: str = ""


def check_machine(home: Path, settings: StackSettings) -> Iterator[MachineCheck]:
    """Run the checks one after the other; they change nothing but create the state folder.

    While a stack runs in this folder, ports, memory and disk are not checked: the stack uses them.
    """
    yield MachineCheck("Linux", platform.system() == "Linux", platform.platform(), "the local stack runs on Linux only")
    yield check_call("state folder", lambda: str(StateFolder(home).home))
    yield check_call("Envoy", lambda: first_line(str(frontdoor_check.envoy_binary()), "--version"))
    yield check_call("PostgreSQL", lambda: first_line(postgres_program(home), "--version"))
    yield check_call("Java", lambda: first_line(java(), "--version"))
    yield from map(downloaded, JAR_SETS)
    status = read_status(home / "stack.json")
    if status is not None and status.running:
        yield running_stack(status)
    else:
        yield from disk_and_memory(home, settings)
        yield free_ports(settings)
    yield open_files()
    yield landlock()
    curl = shutil.which("curl")
    yield MachineCheck(
        "curl", curl is not None, curl or "not found", "install curl: the examples and some tests use it"
    )


def check_call(name: str, call: Callable[[], str]) -> MachineCheck:
    """Return a check with the result of a call, or with its error as the remedy."""
    try:
        return MachineCheck(name, True, call())
    except (StackError, EnvoyConfigError) as error:
        return MachineCheck(name, False, "missing", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        return MachineCheck(name, False, "does not run", str(error))


def first_line(*argv: str) -> str:
    """Return the first line of a program's output."""
    result = subprocess.run(argv, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
    return next((line.strip() for line in result.stdout.splitlines() if line.strip()), "")


def postgres_program(home: Path) -> str:
    """Return the path of the server program that a stack in this folder would run."""
    return locate(server_account(home / "postgres"), default_cache()).program("postgres")


def downloaded(jars: JarSet) -> MachineCheck:
    """Check whether a set of jars is downloaded."""
    folder = jars.cached()
    remedy = "`ordermesh fetch` downloads what is missing once from Maven Central (47 MB in all)"
    return MachineCheck(jars.title, folder is not None, str(folder or "not downloaded yet"), remedy)


def open_files() -> MachineCheck:
    """Check how many open files and connections a process may have after raising its limit."""
    limit = descriptors.raise_limit()
    remedy = f"raise the hard limit to {descriptors.WANTED} (ulimit -Hn, LimitNOFILE of systemd)"
    if limit < MIN_DESCRIPTORS:
        found = f"{limit} for each process: `ordermesh up` needs at least {MIN_DESCRIPTORS}"
        return MachineCheck("open files", False, found, remedy)
    clients = limits.client_connections(limit)
    found = f"{limit} for each process: at most {clients} concurrent client connections"
    return MachineCheck("open files", limit >= limits.DESCRIPTORS_FOR_OWN_CONNECTIONS, found, remedy)


def landlock() -> MachineCheck:
    """Check whether the kernel confines servers to their own files."""
    remedy = "use a kernel from 5.13 on with lsm=landlock, and a container that allows its system calls"
    version = kernel.version()
    found = f"version {version}" if version else "missing, so servers may read every file that their account may read"
    return MachineCheck("Landlock", version > 0, found, remedy)


def disk_and_memory(home: Path, settings: StackSettings) -> Iterator[MachineCheck]:
    """Check the free disk space and the available memory."""
    existing = next(folder for folder in (home, *home.parents) if os.access(folder, os.F_OK))
    free = shutil.disk_usage(existing).free
    yield MachineCheck("disk", free >= NEEDED_DISK_BYTES, f"{free / 1024**3:.1f} GiB free", "at least 2 GiB are needed")
    available = available_memory_bytes()
    found = f"{available / 1024**3:.1f} GiB available"
    needed = NEEDED_MEMORY_BYTES + (settings.kafka_brokers - 1) * BROKER_MEMORY_BYTES
    remedy = f"at least {needed / 1024**3:g} GiB are needed, and 0.5 GiB more under load"
    yield MachineCheck("memory", available >= needed, found, remedy)


def available_memory_bytes() -> int:
    """Return the memory available to programs."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:")


def running_stack(status: StackStatus) -> MachineCheck:
    """Check the components of the running stack."""
    unhealthy = [f"{name} is {one.state}" for name, one in status.components.items() if one.state not in HEALTHY_STATES]
    found = f"running (pid {status.supervisor.pid}) at {status.addresses['rest']}"
    return MachineCheck(
        "stack", not unhealthy, ", ".join([found, *unhealthy]), "see `ordermesh status` and `ordermesh logs`"
    )


def free_ports(settings: StackSettings) -> MachineCheck:
    """Check whether the ports are free."""
    try:
        ports.require_free(settings.local_ports())
    except PortTaken as error:
        return MachineCheck("ports", False, "taken", str(error))
    return MachineCheck("ports", True, ", ".join(str(port) for port in settings.local_ports().values()) + " are free")
