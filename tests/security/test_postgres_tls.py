"""A PostgreSQL that is reached by TLS: verify-full by settings, the right certificate only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from certificates import certificate
from front_proxy import Platform
from seed import seeded_home, seeded_stack
from tls_front import TlsFront
from waiting import await_true

from stack.errors import ServerFailed
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.processes.runners import running
from stack.servers.credentials import SUPERUSER
from stack.servers.databases import provision
from stack.servers.postgres import Postgres

pytestmark = pytest.mark.timeout(240)
PROGRAMS = {
    "orders publish": ("ORDERMESH_ORDERS_DSN", "orders_publisher"),
    "orders migrate": ("ORDERMESH_ORDERS_DSN", "orders_owner"),
    "processor migrate": ("ORDERMESH_ANALYTICS_DSN", "analytics_owner"),
}
WRONG = [
    (LOOPBACK, "other", "certificate verify failed"),
    ("localhost", "authority", "does not match host name"),
]


@dataclass(frozen=True)
class TlsPostgres:
    """A server behind TLS, and the authorities of its certificate and of others."""

    server: Postgres
    port: int
    folder: Path

    def dsn(self, role: str, host: str = LOOPBACK, authority: str = "authority") -> str:
        """Return the DSN of a role with full verification."""
        own = self.server.credentials.dsn(role, host, self.port)
        return f"{own}?sslmode=verify-full&sslrootcert={self.folder}/{authority}.pem"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("authority", "other"):
        certificate(folder, name)
    certificate(folder, "server", signer="authority")
    chain, key = folder / "server.pem", folder / "server.key"
    with (
        seeded_home() as state,
        running(Postgres.alone(state)) as server,
        TlsFront(server.socket, chain, key) as front,
    ):
        yield TlsPostgres(server, front.port, folder)


def test_an_order_is_stored_and_counted_by_tls(postgres: TlsPostgres) -> None:
    with seeded_stack(postgres_admin_dsn=postgres.dsn(SUPERUSER)) as stack:
        platform = Platform(stack)
        order = platform.order("cust-tls")["orderId"]
        query = "SELECT 1 FROM processed_events WHERE order_id = %s"
        await_true(lambda: bool(platform.one("analytics", query, order)), "the order is counted")


def test_a_connection_without_tls_is_refused(postgres: TlsPostgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.dsn("orders_app").replace("verify-full", "disable"))


@pytest.mark.parametrize(("host", "authority", "said"), WRONG)
@pytest.mark.parametrize("program", PROGRAMS)
def test_another_authority_or_host_name_is_refused_with_the_reason(
    postgres: TlsPostgres, program: str, host: str, authority: str, said: str
) -> None:
    setting, role = PROGRAMS[program]
    variables = {
        setting: postgres.dsn(role, host, authority),
        "ORDERMESH_METRICS_ADDRESS": f"{LOOPBACK}:{ports.allocate(1)[0]}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *program.split()],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    try:
        await_true(lambda: any(said in line for line in lines), lambda: "".join(lines))
    finally:
        process.terminate()
        process.wait(30)
        reader.join(30)
        if process.stdout is not None:
            process.stdout.close()
    assert "Traceback" not in "".join(lines)
    assert postgres.server.credentials.password(role) not in "".join(lines)


@pytest.mark.parametrize(("host", "authority", "said"), WRONG)
def test_a_stack_says_why_it_does_not_reach_an_external_server(
    postgres: TlsPostgres, host: str, authority: str, said: str
) -> None:
    with pytest.raises(ServerFailed, match=said) as refused:
        provision(postgres.dsn(SUPERUSER, host, authority), postgres.server.credentials)
    assert postgres.server.credentials.password(SUPERUSER) not in str(refused.value)
