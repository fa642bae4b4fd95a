"""A store of logs with the templates of deploy/logs/, as `ordermesh up --logs` starts it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_store import LogStore

from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.observe.client_tls import client_context
from stack.observe.logs.opensearch import NAME, opensearch_command
from stack.observe.logs.store import Store
from stack.observe.observation import OF_LOGS, Observation
from stack.processes.logfile import LogFile
from stack.processes.runners import Service
from stack.processes.server_account import OBSERVE, create_missing


@pytest.fixture(scope="session")
def store() -> Iterator[LogStore]:
    # It refuses to run as root.
    create_missing(OBSERVE)
    with temporary_home() as home:
        by_name = dict(zip(OF_LOGS, ports.allocate(len(OF_LOGS)), strict=True))
        observation = Observation(home, home / "run", 0, secrets.token_urlsafe(), by_name, logs=True)
        certificate = home / "client"
        observation.certificates.let_ask("tests", certificate, None)
        asked = Store(by_name[NAME], client_context(certificate))
        server = Service(opensearch_command(observation), LogFile(home / "opensearch.log"), asked.serves)
        found = LogStore(server, asked, certificate)
        try:
            found.start()
            asked.prepare()
            yield found
        finally:
            server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    logs.mkdir()
    return logs
