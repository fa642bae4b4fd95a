"""A program waits until the database has the migrations that it was built with."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from runtime.postgres.connections import connect, migrate
from runtime.postgres.schema import SchemaOutdated, require_migrations, wait_for_schema
from stack.servers.postgres import Postgres

PACKAGE = "orders.migrations"


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[str]:
    """The URI of an empty database, for its owner."""
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE waited OWNER orders_owner")
        yield psycopg.conninfo.make_conninfo(postgres.dsn("orders_owner"), dbname="waited")
        admin.execute("DROP DATABASE waited WITH (FORCE)")


@pytest.mark.parametrize("role", ["orders_app", "orders_publisher"])
def test_the_role_of_a_service_sees_that_the_schema_is_current(postgres: Postgres, role: str) -> None:
    with connect(postgres.dsn(role), "tests") as connection:
        require_migrations(connection, PACKAGE)


def test_a_missing_migration_is_named(new_database: str) -> None:
    migrate(new_database, PACKAGE)
    with connect(new_database, "tests") as connection:
        connection.execute("DELETE FROM schema_migration WHERE name = '0080_baggage.sql'")
        with pytest.raises(SchemaOutdated, match=r"lacks 0080_baggage\.sql$"):
            require_migrations(connection, PACKAGE)


def test_migrations_of_a_later_version_do_no_harm(new_database: str) -> None:
    migrate(new_database, PACKAGE)
    with connect(new_database, "tests") as connection:
        connection.execute("INSERT INTO schema_migration VALUES ('9999_later.sql', '')")
        require_migrations(connection, PACKAGE)


def test_the_wait_ends_with_the_last_migration(new_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began before there was a table of migrations."""
    stop = threading.Event()
    failures = iter([lambda: migrate(new_database, PACKAGE)])

    def wait(_seconds: float) -> bool:
        next(failures)()
        return False

    monkeypatch.setattr(stop, "wait", wait)
    wait_for_schema(new_database, PACKAGE, "none", stop)
    assert next(failures, None) is None


def test_a_signal_ends_the_wait_with_an_error(new_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda _seconds: stop.set() or True)
    with pytest.raises(InterruptedError, match="before the schema was current"):
        wait_for_schema(new_database, PACKAGE, "none", stop)
