import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from accounts import somebody
from psycopg.conninfo import make_conninfo

from stack.errors import PortTaken, ServerFailed, SettingInvalid
from stack.machine import ports
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.processes.runners import READY_SECONDS, running
from stack.processes.server_account import POSTGRES, find, take_over
from stack.servers import postgres_binaries
from stack.servers.credentials import DATABASE_OF, OWNERS
from stack.servers.databases import provision
from stack.servers.postgres import Postgres

ROOT = os.geteuid() == 0
STORING = (
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_open(1, 131072)",
    "CREATE TEMPORARY TABLE stored (content text)",
    "CREATE TABLE stored (content text)",
)


@pytest.fixture(scope="module")
def server(state: StateFolder) -> Iterator[Postgres]:
    with running(Postgres.alone(state)) as made:
        yield made


def one(server: Postgres, query: str) -> object:
    with psycopg.connect(server.admin_dsn) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return row and row[0]


def restart(server: Postgres) -> None:
    server.start()
    server.wait_ready(READY_SECONDS)


def test_the_server_is_durable_checked_and_reached_by_password_only(server: Postgres) -> None:
    for setting, value in {"fsync": "on", "synchronous_commit": "on", "data_checksums": "on"}.items():
        assert one(server, f"SHOW {setting}") == value
    assert one(server, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'postgres'") == "UTF8"
    hba = "SELECT string_agg(DISTINCT auth_method, ',' ORDER BY auth_method) FROM pg_hba_file_rules"
    assert one(server, hba) == "reject,scram-sha-256"


def test_committed_rows_survive_sigkill_of_the_server(server: Postgres) -> None:
    with psycopg.connect(server.admin_dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.pid is not None
    assert server.process is not None
    os.kill(server.pid, signal.SIGKILL)
    assert server.process.wait(10)
    restart(server)
    assert one(server, "SELECT answer FROM kept") == 42


def test_a_stop_is_clean_and_a_pid_file_of_another_process_is_ignored(server: Postgres) -> None:
    server.stop()
    assert server.process is not None
    assert server.process.ended_cleanly()
    (server.data / "postmaster.pid").write_text(f"{os.getppid()}\n{server.data}\n0\n{server.port}\n")
    restart(server)
    assert one(server, "SELECT 1") == 1


def test_another_process_in_the_data_folder_is_not_killed(server: Postgres) -> None:
    server.stop()
    onlooker = subprocess.Popen(["sleep", "60"], cwd=server.data)
    restart(server)
    assert onlooker.poll() is None
    onlooker.kill()
    onlooker.wait()


def test_a_server_listens_on_its_socket_only(server: Postgres) -> None:
    assert one(server, "SHOW listen_addresses") == ""
    assert one(server, "SELECT inet_server_addr()") is None
    assert not ports.listeners(server.port)


def test_a_taken_port_is_reported_and_the_data_is_not_changed(server: Postgres, state: StateFolder) -> None:
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)):
        over_tcp = Postgres(
            server.folder, state.run_dir(), server.port, server.log, server.credentials, listen="127.0.0.1"
        )
        with pytest.raises(PortTaken, match=f"port {server.port}"):
            over_tcp.start()
        # Its socket needs no port.
        restart(server)


def test_over_tcp_a_password_is_asked_for(server: Postgres, state: StateFolder) -> None:
    server.stop()
    over_tcp = Postgres(server.folder, state.run_dir(), server.port, server.log, server.credentials, listen="127.0.0.1")
    restart(over_tcp)
    target = {"host": "127.0.0.1", "port": server.port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**target, password=server.credentials.password("postgres")) as connection:
        assert connection.execute("SELECT inet_server_port()").fetchone() == (server.port,)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(**target)
    over_tcp.stop()
    restart(server)


def test_no_text_of_a_client_begins_a_line_of_the_log(server: Postgres) -> None:
    """Of a role, a database, the name of a program, a statement."""
    forged = "2026-01-01 00:00:00.000 UTC [1] LOG:  forged"
    for field in ("user", "dbname", "application_name"):
        target = {"user": "nobody", "dbname": "postgres", field: f"x\n{forged}"}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(server.socket_dir), port=server.port, password="guessed", **target)
    with psycopg.connect(server.admin_dsn) as connection, pytest.raises(psycopg.errors.SyntaxError):
        connection.execute(f"no\n{forged}")
    text = server.log.path.read_text()
    assert "forged" in text
    assert not [line for line in text.splitlines() if line.startswith(forged[:10])]


def test_roles_reach_their_own_database_only(server: Postgres) -> None:
    credentials = server.credentials
    provision(server.admin_dsn, credentials)
    provision(server.admin_dsn, credentials)
    own = server.dsn("orders_app")
    with psycopg.connect(own) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("orders",)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(own.removesuffix("/orders") + "/analytics")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own.replace(credentials.password("orders_app"), "guessed"))


@pytest.mark.parametrize("role", [role for role in DATABASE_OF if role not in OWNERS.values()])
def test_a_service_stores_nothing_but_rows_of_its_tables(server: Postgres, role: str) -> None:
    provision(server.admin_dsn, server.credentials, own_server=True)
    own = server.dsn(role)
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(make_conninfo(own, dbname=database))
    for statement in STORING:
        with psycopg.connect(own) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_other_databases_of_a_server_that_is_not_ours_stay_as_they_are(server: Postgres) -> None:
    with psycopg.connect(server.admin_dsn) as connection:
        connection.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
    provision(server.admin_dsn, server.credentials)
    psycopg.connect(make_conninfo(server.dsn("orders_app"), dbname="postgres")).close()


def test_settings_that_the_server_rejects_are_reported_with_its_message(state: StateFolder, server: Postgres) -> None:
    server.stop()
    (server.data / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    try:
        server.start()
        with pytest.raises(ServerFailed, match="no_such_setting"):
            server.wait_ready(READY_SECONDS)
    finally:
        (server.data / "postgresql.auto.conf").write_text("")
    restart(server)


@pytest.mark.skipif(not ROOT, reason="only root changes to another user")
def test_under_root_the_server_has_an_account_of_its_own(server: Postgres) -> None:
    account = find(POSTGRES)
    assert account is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid == account.uid
    assert server.data.stat().st_uid == account.uid


@pytest.mark.skipif(not ROOT, reason="only root changes to another user")
def test_under_root_data_that_nobody_owned_is_taken_over(server: Postgres, tmp_path: Path) -> None:
    server.stop()
    target = tmp_path / "target"
    (server.data / "link").symlink_to(target)
    target.touch()
    take_over(server.data, somebody())
    restart(server)
    owners = {path.lstat().st_uid for path in server.data.rglob("*")}
    assert owners == {server.data.stat().st_uid}
    # Not what a link in the data leads to.
    assert target.stat().st_uid == 0
    (server.data / "link").unlink()


@pytest.mark.skipif(not ROOT, reason="only root changes to another user")
def test_under_root_inaccessible_programs_are_copied_and_run(server: Postgres, state: StateFolder) -> None:
    copy = postgres_binaries.copied(postgres_binaries.installed(), state.home / "cache")
    shown = subprocess.run(
        [copy.program("postgres"), "--version"],
        user=somebody().uid,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert "18." in shown.stdout, shown.stderr
    assert postgres_binaries.copied(Path("/nonexistent"), state.home / "cache") == copy


@pytest.mark.skipif(not ROOT, reason="only root changes to another user")
def test_under_root_an_inaccessible_state_folder_is_reported_and_not_opened(
    server: Postgres, state: StateFolder
) -> None:
    closed = state.home / "closed"
    closed.mkdir(mode=0o700)
    port, log = ports.allocate(1)[0], LogFile(state.logs / "closed.log")
    other = Postgres(closed / "postgres", state.run_dir(), port, log, server.credentials)
    with pytest.raises(SettingInvalid, match=f"has no access to {closed}: set ORDERMESH_HOME"):
        other.start()
    assert closed.stat().st_mode & 0o077 == 0
