"""The state folder of a stack that was started once and holds nothing: made once per session, copied for each stack.

A copy costs a tenth of a second; without it each stack and each server runs initdb, formats Kafka's folder and applies
every migration. The tests of a first start take an empty folder instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from runtime.postgres.connections import migrate
from stack.machine import ports
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.logfile import LogFile
from stack.running_stack import RunningStack, running_stack
from stack.servers.credentials import load_or_create
from stack.servers.databases import provision
from stack.servers.kafka import Kafka
from stack.servers.postgres import Postgres

# Set by tests/conftest.py: the processes of pytest share one folder.
FOLDER_VARIABLE = "TEST_SEED_FOLDER"
READY_SECONDS = 60
SEEDED = ("postgres", "kafka", "credentials.json")


def plant(home: Path) -> StateFolder:
    """Copy the seed into an empty state folder."""
    seed = Path(os.environ[FOLDER_VARIABLE])
    with (seed / "seeding").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (seed / "seeded").exists():
            _make(StateFolder(seed))
            (seed / "seeded").touch()
    subprocess.run(["cp", "-a", "--reflink=auto", *(seed / name for name in SEEDED), home], check=True)
    return StateFolder(home)


def _make(state: StateFolder) -> None:
    credentials, log = load_or_create(state.credentials), LogFile(state.logs / "seed.log")
    server = Postgres(state.postgres, state.run_dir(), ports.allocate(1)[0], log, credentials)
    try:
        server.start()
        server.wait_ready(READY_SECONDS)
        provision(server.admin_dsn, credentials)
        for service, role in (("orders", "orders_owner"), ("processor", "analytics_owner")):
            migrate(server.dsn(role), f"{service}.migrations")
    finally:
        server.stop()
    broker = Kafka(state.kafka, *ports.allocate(2), log)
    # The start formats the folder first; the broker itself is not needed.
    broker.start()
    if broker.process is not None:
        broker.process.kill()


@contextlib.contextmanager
def seeded_home() -> Iterator[StateFolder]:
    """Make a temporary state folder that holds the seed."""
    with temporary_home() as home:
        yield plant(home)


@contextlib.contextmanager
def seeded_stack(**settings: object) -> Iterator[RunningStack]:
    """Run a whole stack on a copy of the seed; the arguments are those of `running_stack`."""
    with seeded_home() as state, running_stack(state.home, **settings) as stack:  # type: ignore[arg-type]
        yield stack
