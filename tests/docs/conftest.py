"""A stack and servers of one's own, for the commands of the guides."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from guarded_kafka import create_acls, documented_acls, guarded_broker
from guide import DOCS, ROOT, Shell, environment
from kafka_broker import config

from stack.machine import ports
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.runners import running
from stack.servers.credentials import SUPERUSER
from stack.servers.postgres import Postgres


@pytest.fixture(scope="module")
def stack() -> Iterator[Shell]:
    """A stack that the guides may stop and start; in a folder of its own it finds free ports each time."""
    with temporary_home() as home, contextlib.closing(Shell(ROOT, environment(ORDERMESH_HOME=str(home)))) as shell:
        shell.run("ordermesh up --detach")
        yield shell
        shell.run("ordermesh down")


@pytest.fixture(scope="module")
def servers() -> Iterator[Shell]:
    """PostgreSQL and a Kafka with users and the documented ACLs, as somebody has them."""
    page = (DOCS / "how-to" / "own-servers.md").read_text()
    acls = list(documented_acls(page))
    with temporary_home() as home:
        state = StateFolder(home)
        made, address = guarded_broker(state, {acl.principal.removeprefix("User:") for acl in acls})
        with running(Postgres.alone(state, listen=ports.LOOPBACK)) as postgres, running(made) as broker:
            create_acls(broker, acls)
            sockets = state.run_dir() / "own"
            sockets.mkdir()
            shell = Shell(
                home,
                environment(
                    ADMIN_DSN=postgres.credentials.dsn(SUPERUSER, ports.LOOPBACK, postgres.port),
                    DB=f"{ports.LOOPBACK}:{postgres.port}",
                    KAFKA=address,
                    KAFKA_ADMIN=json.dumps(config(broker.client_settings())),
                    RUN=str(sockets),
                    ORDERMESH_METRICS_ADDRESS="127.0.0.1:0",
                ),
            )
            with contextlib.closing(shell):
                yield shell
