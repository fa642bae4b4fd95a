"""A backup of the analytics database inside the same server, and its restore."""

from __future__ import annotations

import time

import psycopg

from stack.servers.databases import provision
from stack.supervision.stack_context import StackContext

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'analytics'"
ATTEMPTS = 50


def backed_up(context: StackContext) -> None:
    """Copy the database; whoever connects meanwhile is disconnected."""
    attempt(context, "CREATE DATABASE analytics_backup TEMPLATE analytics STRATEGY file_copy OWNER analytics_owner")


def restore(context: StackContext) -> None:
    """Put the copy in the place of the database."""
    attempt(context, "DROP DATABASE analytics WITH (FORCE)")
    attempt(context, "ALTER DATABASE analytics_backup RENAME TO analytics")
    # Grants on databases are not copied.
    provision(context.admin_dsn, context.credentials)


def attempt(context: StackContext, statement: str) -> None:
    """Execute a statement that needs a database without sessions. Raises psycopg.Error after ATTEMPTS."""
    with psycopg.connect(context.admin_dsn, autocommit=True) as connection:
        for number in range(ATTEMPTS):
            try:
                connection.execute(END_SESSIONS)
                connection.execute(statement.encode())
            except psycopg.errors.ObjectInUse:
                if number == ATTEMPTS - 1:
                    raise
                time.sleep(0.1)
            else:
                return
