"""PostgreSQL: pools with sensible limits, and migrations under an advisory lock."""

from __future__ import annotations

import hashlib
import time
from importlib.resources import files
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

# Any constant that no other program uses; two migrations of one database then wait for each other.
MIGRATION_LOCK = 0x6F72646572
CONNECT_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 2.0
# Below the time in which a server can be gone and back.
CHECK_AFTER_SECONDS = 0.05
MAX_TRIES = 5

Result = TypeVar("Result")


def connection_options(application: str, statement_timeout_ms: int = 10_000) -> dict[str, Any]:
    """Return psycopg connect arguments: fast failure when the server is gone, and no statement without an end."""
    return {
        "application_name": application,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c statement_timeout={statement_timeout_ms} -c idle_in_transaction_session_timeout=10000",
        "autocommit": True,
    }


def async_pool(dsn: str, application: str, max_size: int) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
    """Return a pool that is not open yet; the caller opens and closes it."""
    used = LastUse()

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        if used.is_long_ago(connection):
            await AsyncConnectionPool.check_connection(connection)

    async def returned(connection: psycopg.AsyncConnection[Any]) -> None:
        used.note(connection)

    return AsyncConnectionPool(dsn, check=check, reset=returned, **pool_options(application, max_size))


def sync_pool(dsn: str, application: str, max_size: int) -> ConnectionPool[psycopg.Connection[Any]]:
    """Return a pool that is not open yet; the caller opens and closes it."""
    return ConnectionPool(dsn, check=ConnectionPool.check_connection, **pool_options(application, max_size))


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


def pool_options(application: str, max_size: int) -> dict[str, Any]:
    """Return psycopg_pool arguments: closed until opened, and never waiting for long."""
    return {
        "kwargs": connection_options(application),
        "min_size": 1,
        "max_size": max_size,
        "timeout": POOL_TIMEOUT_SECONDS,
        "max_waiting": 1_000,
        "reconnect_timeout": 0,
        "open": False,
    }


def migrate(dsn: str, package: str) -> list[str]:
    """Apply the package's NNNN_name.sql files that the database lacks, each in a transaction; return their names.

    Raises ValueError when a file that was applied has changed since.
    """
    scripts = sorted((f for f in files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS schema_migration (name text PRIMARY KEY, sha256 text NOT NULL)")
        rows = connection.execute("SELECT name, sha256 FROM schema_migration").fetchall()
        known: dict[str, str] = dict(rows)
        return [
            script.name for script in scripts if apply_migration(connection, known, script.name, script.read_bytes())
        ]


def apply_migration(connection: psycopg.Connection[Any], known: dict[str, str], name: str, script: bytes) -> bool:
    """Apply one script unless it is known; return whether it was applied."""
    digest = hashlib.sha256(script).hexdigest()
    if name in known:
        if known[name] != digest:
            raise ValueError(f"migration {name} was changed after it was applied; add a new one instead")
        return False
    with connection.transaction():
        connection.execute(script)
        connection.execute("INSERT INTO schema_migration VALUES (%s, %s)", (name, digest))
    return True
