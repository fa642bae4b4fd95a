"""A store of logs with the templates of deploy/logs/."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shipper import ROOT

from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.processes.logfile import LogFile
from stack.processes.privileges import Privileges
from stack.processes.server_account import FALLBACK, find
from stack.servers.opensearch import OpenSearch

# It takes 20 s of CPU.
START_SECONDS = 240


@pytest.fixture(scope="session")
def store() -> Iterator[OpenSearch]:
    with temporary_home() as home:
        port, transport_port = ports.allocate(2)
        account = find(FALLBACK) if os.geteuid() == 0 else None
        server = OpenSearch(
            home / "opensearch", port, transport_port, LogFile(home / "opensearch.log"), Privileges(account)
        )
        try:
            server.start()
            server.wait_ready(START_SECONDS)
            load(server.address)
            yield server
        finally:
            server.stop()


def load(address: str) -> None:
    """Load the templates, as the compose file does."""
    env = {"PATH": os.environ["PATH"], "STORE": address}
    subprocess.run([ROOT / "deploy/logs/load.sh"], env=env, check=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    logs.mkdir()
    return logs
