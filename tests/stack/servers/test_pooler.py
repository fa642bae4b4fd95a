"""The whole platform with the real PgBouncer in transaction mode between the services and PostgreSQL."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from debian import program
from seed import seeded_home

from stack.machine import ports
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import running
from stack.processes.server_account import server_account
from stack.running_stack import RunningStack, running_stack
from stack.servers.credentials import load_or_create
from stack.servers.postgres import Postgres

LOAD = ["--duration", "5s", "--rate", "100"]


@dataclass
class Pooled:
    """A stack, and the administrator's connection to PostgreSQL without the pooler."""

    running: RunningStack
    direct: str


@contextlib.contextmanager
def pgbouncer(folder: Path, server: Postgres) -> Iterator[int]:
    """Run PgBouncer in transaction mode and give its port."""
    bouncer, port = program("pgbouncer", "usr/sbin/pgbouncer"), ports.allocate(1)[0]
    account = server_account(server.folder)
    folder.mkdir()
    users = "".join(f'"{user}" "{password}"\n' for user, password in server.credentials.passwords.items())
    (folder / "users.txt").write_text(users)
    (folder / "pgbouncer.ini").write_text(f"""
[databases]
* = host={server.socket_dir} port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 20
""")
    environment = inherited_env() | bouncer.env
    command = Command("pgbouncer", [bouncer.path, str(folder / "pgbouncer.ini")], environment, account)
    process = Process(command, server.log)
    process.start()
    yield port
    process.stop()


@pytest.fixture(scope="module")
def pooled() -> Iterator[Pooled]:
    with seeded_home() as state, temporary_home() as other:
        credentials = load_or_create(state.credentials)
        with (
            running(Postgres.alone(StateFolder(other), credentials)) as server,
            pgbouncer(other / "pgbouncer", server) as port,
        ):
            dsn = credentials.dsn("postgres", "127.0.0.1", port)
            env = {"ORDERMESH_POSTGRES_POOLER": "transaction"}
            with running_stack(state.home, env=env, postgres_admin_dsn=dsn) as stack:
                yield Pooled(stack, server.admin_dsn)


def test_orders_are_stored_published_and_counted_through_the_pooler(pooled: Pooled) -> None:
    command = [sys.executable, "-m", "loadgen", "--target", pooled.running.rest, *LOAD]
    load = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert load.returncode == 0, load.stdout + load.stderr
    assert "AGREES" in load.stdout


def test_every_write_method_works_through_the_pooler(pooled: Pooled) -> None:
    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        url, data = f"{pooled.running.rest}{path}", json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)  # type: ignore[no-any-return]

    post("/v1/products", {"productId": "t", "name": "n", "price": 1, "tracked": True, "requestId": "r"})
    made = [
        post("/v1/orders", {"customerId": "c", "items": [{"productId": product, "quantity": 1, "price": 1}]})
        for product in ("t", "p1", "t")
    ]
    assert [each["status"] for each in made] == ["PENDING_RESTOCK", "CREATED", "PENDING_RESTOCK"]
    restocked = post("/v1/products/t:restock", {"quantity": 1, "requestId": "r"})
    assert restocked["releasedOrders"] == "1"
    assert post("/v1/products/t:restock", {"quantity": 1, "requestId": "r"}) == restocked
    assert post(f"/v1/orders/{made[0]['orderId']}:cancel", {})["status"] == "CANCELLED"
    assert post(f"/v1/orders/{made[1]['orderId']}:completePayment", {})["status"] == "PAID"
    assert post(f"/v1/orders/{made[1]['orderId']}:ship", {})["status"] == "SHIPPED"
    with urllib.request.urlopen(f"{pooled.running.rest}/v1/orders/{made[2]['orderId']}", timeout=10) as reply:
        assert json.load(reply)["status"] == "CREATED"


def test_sessions_through_the_pooler_have_the_timeouts_of_their_role(pooled: Pooled) -> None:
    with psycopg.connect(pooled.direct) as connection:
        limits = connection.execute(
            "SELECT rolname, rolconfig FROM pg_roles WHERE rolname IN"
            " ('orders_app', 'orders_publisher', 'analytics_worker', 'analytics_reader') ORDER BY 1"
        ).fetchall()
    for _, config in limits:
        assert set(config) == {"statement_timeout=10000", "idle_in_transaction_session_timeout=10000"}
    assert len(limits) == 4
