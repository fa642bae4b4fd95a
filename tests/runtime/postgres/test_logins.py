"""The password of a role is replaced in its file and in PostgreSQL while programs connect: none is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from seed import seeded_home

from runtime.postgres import logins
from runtime.postgres.connections import async_pool, connect, connect_async, sync_pool
from stack.machine import ports
from stack.processes.runners import running
from stack.servers.credentials import SUPERUSER
from stack.servers.postgres import Postgres

ROLE = "rotated"


class Role:
    """A role of PostgreSQL whose password is in a file."""

    def __init__(self, admin: psycopg.Connection, address: str, file: Path) -> None:
        self._admin = admin
        self._file = file
        self.write("first")
        admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'first'")
        self.dsn = f"postgresql://{ROLE}:first@{address}/postgres"

    def write(self, password: str) -> None:
        """Put a password into the file."""
        self._file.write_text(f"{password}\n")

    def alter(self, password: str) -> None:
        """Give the role a password."""
        self._admin.execute(f"ALTER ROLE {ROLE} PASSWORD '{password}'")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with seeded_home() as state, running(Postgres.alone(state, listen=ports.LOOPBACK)) as made:
        yield made


@pytest.fixture
def role(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    file = tmp_path / "password"
    monkeypatch.setenv(logins.PASSWORD_FILE, str(file))
    with psycopg.connect(postgres.credentials.dsn(SUPERUSER, ports.LOOPBACK, postgres.port), autocommit=True) as admin:
        made = Role(admin, f"{ports.LOOPBACK}:{postgres.port}", file)
        monkeypatch.setattr(logins, "LOGINS", logins.Logins())
        yield made
        admin.execute(f"DROP ROLE {ROLE}")


async def assert_connects(dsn: str) -> None:
    """Make new connections in each way that programs do."""
    connect(dsn, "tests").close()
    await (await connect_async(dsn, "tests")).close()
    with sync_pool(dsn, "tests", 1) as pool, pool.connection() as connection:
        connection.execute("SELECT 1")
    async with async_pool(dsn, "tests", 1) as pool, pool.connection() as connection:
        await connection.execute("SELECT 1")


async def test_both_passwords_are_tried_whichever_the_server_knows(role: Role) -> None:
    for before, after in (("first", "second"), ("second", "third")):
        role.write(after)
        await assert_connects(role.dsn)
        role.alter(after)
        await assert_connects(role.dsn)
        role.write(before)
        await assert_connects(role.dsn)
        role.write(after)


async def test_a_password_that_neither_is_is_refused(role: Role) -> None:
    role.alter("another")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(role.dsn, "tests")
    role.write("a third")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await connect_async(role.dsn, "tests")


def test_without_a_file_the_uri_is_used(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    role.write("another")
    monkeypatch.delenv(logins.PASSWORD_FILE)
    connect(role.dsn, "tests").close()
