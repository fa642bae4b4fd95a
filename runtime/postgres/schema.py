"""Waits until a database has every migration that a program was built with."""

from __future__ import annotations

import threading

import psycopg

from runtime.backoff import Backoff
from runtime.postgres.connection_types import Connection
from runtime.postgres.connections import connect, migrations
from runtime.postgres.pooler import Pooler
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

BACKOFF = Backoff(first_seconds=0.2, max_seconds=2.0)


class SchemaOutdated(Exception):
    """Migrations are missing; the message names them."""


def wait_for_schema(dsn: str, package: str, pooler: Pooler, stop: threading.Event) -> None:
    """Wait until the database has every migration of a package. Raises InterruptedError when `stop` ends the wait.

    The program's own role reads what was applied: what it cannot reach or read yet counts as missing.
    """
    outage = Outage("waiting for the schema")
    while not stop.is_set():
        try:
            with connect(dsn, "ordermesh-schema", pooler) as connection:
                require_migrations(connection, package)
        except (psycopg.Error, SchemaOutdated) as error:
            stop.wait(BACKOFF.delay_seconds(outage.begins(error, component="postgres")))
        else:
            outage.ends()
            logger().info("schema is current")
            return
    raise InterruptedError("stopped before the schema was current")


def require_migrations(connection: Connection, package: str) -> None:
    """Raise SchemaOutdated unless every migration of a package was applied; later ones of a newer version may be."""
    applied = {name for (name,) in connection.execute("SELECT name FROM schema_migration")}
    if missing := [script.name for script in migrations(package) if script.name not in applied]:
        raise SchemaOutdated(f"the schema lacks {', '.join(missing)}")
