"""A stack and servers of one's own, for the commands of the guides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guarded_kafka import READY_SECONDS, create_acls, documented_acls, guarded_broker
from guide import DOCS, ROOT, Shell, environment

from stack.machine import ports
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.logfile import LogFile
from stack.servers.credentials import SUPERUSER, load_or_create
from stack.servers.postgres import Postgres


@pytest.fixture(scope="module")
def stack() -> Iterator[Shell]:
    """A stack that the guides may stop and start; in a folder of its own it finds free ports each time."""
    with temporary_home() as home:
        shell = Shell(ROOT, environment(ORDERMESH_HOME=str(home)))
        shell.run("ordermesh up --detach")
        yield shell
        shell.run("ordermesh down")
        shell.close()


@pytest.fixture(scope="module")
def servers() -> Iterator[Shell]:
    """PostgreSQL and a Kafka with users and the documented ACLs, as somebody has them."""
    page = (DOCS / "how-to" / "own-servers.md").read_text()
    acls = list(documented_acls(page))
    with temporary_home() as home:
        state = StateFolder(home)
        (home / "kafka").mkdir()
        log = LogFile(state.logs / "postgres.log")
        port, credentials = ports.allocate(1)[0], load_or_create(state.credentials)
        postgres = Postgres(state.postgres, state.run_dir(), port, log, credentials, listen=ports.LOOPBACK)
        broker, address = guarded_broker(home / "kafka", {acl.principal.removeprefix("User:") for acl in acls})
        postgres.start()
        broker.start()
        postgres.wait_ready(READY_SECONDS)
        broker.wait_ready(READY_SECONDS)
        create_acls(broker, acls)
        sockets = state.run_dir() / "own"
        sockets.mkdir()
        shell = Shell(
            home,
            environment(
                ADMIN_DSN=postgres.credentials.dsn(SUPERUSER, ports.LOOPBACK, postgres.port),
                DB=f"{ports.LOOPBACK}:{postgres.port}",
                KAFKA=address,
                KAFKA_ADMIN=broker.bootstrap,
                RUN=str(sockets),
                ORDERMESH_METRICS_ADDRESS="127.0.0.1:0",
            ),
        )
        yield shell
        shell.close()
        broker.stop()
        postgres.stop()
