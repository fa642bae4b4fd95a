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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runtime.postgres.connections import migrate
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.runners import running
from stack.running_stack import RunningStack, running_stack
from stack.servers.databases import provision
from stack.servers.kafka.broker import Kafka
from stack.servers.postgres import Postgres

# Set by tests/conftest.py: the processes of pytest share one folder.
FOLDER_VARIABLE = "TEST_SEED_FOLDER"
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
    server, broker = Postgres.alone(state), Kafka.alone(state)
    with ThreadPoolExecutor(1) as beside:
        formatted = beside.submit(_format, broker)
        with running(server):
            provision(server.admin_dsn, server.credentials)
            for service, role in (("orders", "orders_owner"), ("processor", "analytics_owner")):
                migrate(server.dsn(role), f"{service}.migrations")
        formatted.result()


def _format(broker: Kafka) -> None:
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
