"""Connections and pools with timeouts, and migrations under an advisory lock."""

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

from runtime.postgres.connection_types import AsyncConnection, Connection
from runtime.postgres.logins import AsyncLoggedIn, LoggedIn
from runtime.postgres.pool import Pool
from runtime.postgres.pooler import Pooler

# An arbitrary constant: concurrent migrations of one database wait for each other.
MIGRATION_LOCK = 0x6F72646572
CONNECT_TIMEOUT_SECONDS = 3
IDLE_TIMEOUT_MS = 10_000
POOL_TIMEOUT_SECONDS = 2.0
# Shorter than any restart of a server.
CHECK_AFTER_SECONDS = 0.05


def connection_options(
    application: str, pooler: Pooler = "none", *, statement_timeout_ms: int = 10_000, hot: bool = False
) -> dict[str, Any]:
    """Return psycopg connect arguments: fast failure when the server is down, and a timeout for every statement.

    A hot connection prepares statements on first use, with generic plans: planning costs more than execution. Through
    a pooler in transaction mode there is no session, so nothing is prepared or set.
    """
    session: dict[str, object] = {
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    if hot:
        # A generic plan made while a partition is empty would choose a sequential scan, and be kept.
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


def connect(dsn: str, application: str, pooler: Pooler = "none", **options: Any) -> Connection:
    """Connect within CONNECT_TIMEOUT_SECONDS, with options of `connection_options`. Raises psycopg.OperationalError."""
    return LoggedIn.connect(dsn, **connection_options(application, pooler, **options))


async def connect_async(dsn: str, application: str, pooler: Pooler = "none", **options: Any) -> AsyncConnection:
    """Connect within CONNECT_TIMEOUT_SECONDS, with options of `connection_options`. Raises psycopg.OperationalError."""
    return await AsyncLoggedIn.connect(dsn, **connection_options(application, pooler, **options))


def async_pool(dsn: str, application: str, max_size: int, pooler: Pooler = "none") -> Pool:
    """Return a pool; the caller opens and closes it."""
    used, wants_primary = LastUse(), asks_for_primary(dsn)

    async def check(connection: AsyncConnection) -> None:
        if used.needs_check(connection):
            await AsyncConnectionPool.check_connection(connection)
        if wants_primary and is_read_only(connection):
            await connection.close()
            raise psycopg.OperationalError("the server became read-only")

    async def returned(connection: AsyncConnection) -> None:
        used.record(connection)

    connect_outside = partial(connect_async, dsn, application, pooler)
    options = pool_options(application, max_size, pooler)
    return Pool(dsn, connect_outside, connection_class=AsyncLoggedIn, check=check, reset=returned, **options)


def sync_pool(dsn: str, application: str, max_size: int, pooler: Pooler = "none") -> ConnectionPool[Connection]:
    """Return a pool; the caller opens and closes it."""
    wants_primary = asks_for_primary(dsn)

    def check(connection: Connection) -> None:
        ConnectionPool.check_connection(connection)
        if wants_primary and is_read_only(connection):
            connection.close()
            raise psycopg.OperationalError("the server became read-only")

    options = pool_options(application, max_size, pooler)
    return ConnectionPool(dsn, connection_class=LoggedIn, check=check, **options)


def asks_for_primary(dsn: str) -> bool:
    """Return whether a DSN requires a server that accepts writes."""
    return conninfo_to_dict(dsn).get("target_session_attrs") in ("read-write", "primary")


def is_read_only(connection: psycopg.BaseConnection[Any]) -> bool:
    """Return whether the server reported that it is read-only, with its first response after the change."""
    reported = (b"default_transaction_read_only", b"in_hot_standby")
    return any(connection.pgconn.parameter_status(name) == b"on" for name in reported)


class LastUse:
    """When connections were returned to the pool: checking one that has just worked would cost a round trip."""

    def __init__(self) -> None:
        self._returned_at: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def record(self, connection: object) -> None:
        """Record that a connection was returned now."""
        self._returned_at[connection] = time.monotonic()

    def needs_check(self, connection: object) -> bool:
        """Return whether a connection has to be checked before it is used again."""
        return time.monotonic() - self._returned_at.get(connection, float("-inf")) > CHECK_AFTER_SECONDS


def pool_options(application: str, max_size: int, pooler: Pooler) -> dict[str, Any]:
    """Return psycopg_pool arguments: initially closed, with short waits."""
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
    """Apply the missing NNNN_name.sql files, each in a transaction; return their names.

    The common ones come first, then those of the package. Raises ValueError when an applied file has changed.
    """
    scripts = migrations(package)
    with connect(dsn, "ordermesh-migrate", pooler, statement_timeout_ms=0) as connection:
        return [script.name for script in scripts if apply_migration(connection, script.name, script.read_bytes())]


def migrations(package: str) -> list[Traversable]:
    """Return the migrations of a database in their order: the common ones, then those of the package."""
    return [*sql_files("runtime.migrations"), *sql_files(package)]


def sql_files(package: str) -> list[Traversable]:
    """Return the .sql files of a package, sorted by name."""
    return sorted((f for f in files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)


def apply_migration(connection: Connection, name: str, script: bytes) -> bool:
    """Apply a script unless it was applied before; return whether it was applied now. Concurrent calls wait."""
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
