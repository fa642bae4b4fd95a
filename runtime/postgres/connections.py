"""PostgreSQL: pools with sensible limits, and migrations under an advisory lock."""

from __future__ import annotations

import hashlib
import time
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from runtime.postgres.pool import Pool
from runtime.postgres.pooler import Pooler

# Any constant that no other program uses; two migrations of one database then wait for each other.
MIGRATION_LOCK = 0x6F72646572
CONNECT_TIMEOUT_SECONDS = 3
IDLE_TIMEOUT_MS = 10_000
POOL_TIMEOUT_SECONDS = 2.0
# Below the time in which a server can be gone and back.
CHECK_AFTER_SECONDS = 0.05


def connection_options(
    application: str, pooler: Pooler = "none", *, statement_timeout_ms: int = 10_000, hot: bool = False
) -> dict[str, Any]:
    """Return psycopg connect arguments: fast failure when the server is gone, and no statement without an end.

    A hot connection prepares its few statements at once, with plans that do not depend on how many rows come: making a
    plan costs more than running it. Through a pooler of transactions there is no session to prepare or set anything in.
    """
    session: dict[str, object] = {
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    if hot:
        # Such a plan may be made while a partition is empty, when reading all of it looks best, and stays.
        session |= {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
    options: dict[str, Any] = {
        "application_name": application,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "autocommit": True,
    }
    if pooler == "transaction":
        return options | {"prepare_threshold": None}
    options["options"] = " ".join(f"-c {name}={value}" for name, value in session.items())
    return options | ({"prepare_threshold": 0} if hot else {})


def connect(dsn: str, application: str, pooler: Pooler = "none", **options: Any) -> psycopg.Connection[Any]:
    """Connect within the time limit; options are those of `connection_options`. Raises psycopg.OperationalError."""
    return psycopg.connect(dsn, **connection_options(application, pooler, **options))


async def connect_async(
    dsn: str, application: str, pooler: Pooler = "none", **options: Any
) -> psycopg.AsyncConnection[Any]:
    """Connect within the time limit; options are those of `connection_options`. Raises psycopg.OperationalError."""
    return await psycopg.AsyncConnection.connect(dsn, **connection_options(application, pooler, **options))


def async_pool(dsn: str, application: str, max_size: int, pooler: Pooler = "none") -> Pool:
    """Return a pool that is not open yet; the caller opens and closes it."""
    used, wants_primary = LastUse(), asks_for_primary(dsn)

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        if used.is_long_ago(connection):
            await AsyncConnectionPool.check_connection(connection)
        if wants_primary and is_read_only(connection):
            await connection.close()
            raise psycopg.OperationalError("the server turned read-only")

    async def returned(connection: psycopg.AsyncConnection[Any]) -> None:
        used.note(connection)

    beside = partial(connect_async, dsn, application, pooler)
    return Pool(dsn, beside, check=check, reset=returned, **pool_options(application, max_size, pooler))


def sync_pool(
    dsn: str, application: str, max_size: int, pooler: Pooler = "none"
) -> ConnectionPool[psycopg.Connection[Any]]:
    """Return a pool that is not open yet; the caller opens and closes it."""
    wants_primary = asks_for_primary(dsn)

    def check(connection: psycopg.Connection[Any]) -> None:
        ConnectionPool.check_connection(connection)
        if wants_primary and is_read_only(connection):
            connection.close()
            raise psycopg.OperationalError("the server turned read-only")

    return ConnectionPool(dsn, check=check, **pool_options(application, max_size, pooler))


def asks_for_primary(dsn: str) -> bool:
    """Tell whether a DSN asks for a server that can be written to."""
    return conninfo_to_dict(dsn).get("target_session_attrs") in ("read-write", "primary")


def is_read_only(connection: psycopg.BaseConnection[Any]) -> bool:
    """Tell whether a server said that it can only be read from; it does so with its next answer after the change."""
    reported = (b"default_transaction_read_only", b"in_hot_standby")
    return any(connection.pgconn.parameter_status(name) == b"on" for name in reported)


class LastUse:
    """Knows when connections were given back: asking one that worked a moment ago would cost a round trip."""

    def __init__(self) -> None:
        self._returned_at: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def note(self, connection: object) -> None:
        """Note that a connection was given back now."""
        self._returned_at[connection] = time.monotonic()

    def is_long_ago(self, connection: object) -> bool:
        """Tell whether a connection has to be asked whether it still lives."""
        return time.monotonic() - self._returned_at.get(connection, float("-inf")) > CHECK_AFTER_SECONDS


def pool_options(application: str, max_size: int, pooler: Pooler) -> dict[str, Any]:
    """Return psycopg_pool arguments: closed until opened, and never waiting for long."""
    return {
        "kwargs": connection_options(application, pooler),
        "min_size": 1,
        "max_size": max_size,
        "timeout": POOL_TIMEOUT_SECONDS,
        "max_waiting": 1_000,
        "reconnect_timeout": 0,
        "open": False,
    }


def migrate(dsn: str, package: str, pooler: Pooler = "none") -> list[str]:
    """Apply the NNNN_name.sql files that the database lacks, each in a transaction; return their names.

    Those of every database come first, then the package's. Raises ValueError when one that was applied has changed.
    """
    scripts = [*sql_files("runtime.migrations"), *sql_files(package)]
    with connect(dsn, "ordermesh-migrate", pooler, statement_timeout_ms=0) as connection:
        return [script.name for script in scripts if apply_migration(connection, script.name, script.read_bytes())]


def sql_files(package: str) -> list[Traversable]:
    """Return a package's .sql files by name."""
    return sorted((f for f in files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)


def apply_migration(connection: psycopg.Connection[Any], name: str, script: bytes) -> bool:
    """Apply one script unless it was applied; return whether it was not. Two migrations take turns."""
    digest = hashlib.sha256(script).hexdigest()
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS schema_migration (name text PRIMARY KEY, sha256 text NOT NULL)")
        row = connection.execute("SELECT sha256 FROM schema_migration WHERE name = %s", (name,)).fetchone()
        if row is not None:
            if row[0] != digest:
                raise ValueError(f"migration {name} was changed after it was applied; add a new one instead")
            return False
        connection.execute(script)
        connection.execute("INSERT INTO schema_migration VALUES (%s, %s)", (name, digest))
    return True
