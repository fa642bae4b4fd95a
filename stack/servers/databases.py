"""Creates the databases and roles of the services on a PostgreSQL server, local or external."""

from __future__ import annotations

import contextlib

import psycopg
from psycopg.conninfo import make_conninfo

from runtime.postgres.connections import connect
from runtime.postgres.queries import Queries
from stack.errors import ServerFailed
from stack.servers.credentials import APPS, DATABASE_OF, MONITOR, VIEWER, Credentials

SQL = Queries("stack.servers", "databases.sql")
CREATE = {"orders": SQL.create_orders, "analytics": SQL.create_analytics}
SERVING = {role for roles in APPS.values() for role in roles}
VIEWED = {"orders": SQL.grant_orders_to_viewer, "analytics": SQL.grant_analytics_to_viewer}
PRIVILEGES = {
    "orders": (SQL.revoke_orders, SQL.grant_orders),
    "analytics": (SQL.revoke_analytics, SQL.grant_analytics),
}


def provision(admin_dsn: str, credentials: Credentials, *, own_server: bool = False) -> None:
    """Create what is missing and set the passwords; safe to repeat. Raises ServerFailed.

    Only on our own server, other databases than ours are closed: elsewhere other programs may use them.
    """
    try:
        with connect(admin_dsn, "ordermesh-provision", "transaction") as connection:
            create_roles(connection, credentials)
            existing = {row[0] for row in connection.execute(SQL.list_databases)}
            for name, statement in CREATE.items():
                if name not in existing:
                    connection.execute(statement)
                for privilege in PRIVILEGES[name]:
                    connection.execute(privilege)
            if own_server:
                connection.execute(SQL.close_other_databases)
            # The administrator of an external server may not be allowed to grant this; only `ordermesh psql` needs it.
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(SQL.limit_viewer)
        for name, grants in VIEWED.items():
            with connect(make_conninfo(admin_dsn, dbname=name), "ordermesh-provision", "transaction") as connection:
                for statement in (grants, SQL.deny_large_objects):
                    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement)
    except psycopg.Error as error:
        raise ServerFailed(f"PostgreSQL cannot create the databases and roles: {error}".rstrip()) from error


def let_monitor(admin_dsn: str, credentials: Credentials) -> None:
    """Create the role that reads the server's figures, and set its password; safe to repeat. Raises ServerFailed."""
    try:
        with connect(admin_dsn, "ordermesh-provision", "transaction") as connection, connection.transaction():
            create_role(connection, MONITOR, credentials.password(MONITOR))
            connection.execute(SQL.let_monitor)
    except psycopg.Error as error:
        raise ServerFailed(f"PostgreSQL cannot create the role {MONITOR}: {error}".rstrip()) from error


def create_roles(connection: psycopg.Connection, credentials: Credentials) -> None:
    """Create the roles and set their passwords in one transaction."""
    with connection.transaction():
        for role in (*DATABASE_OF, VIEWER):
            create_role(connection, role, credentials.password(role))
            if role in SERVING:
                connection.execute(SQL.limit_role)


def create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """Create a role that is missing, and set its password; in the transaction that the connection has, or its own."""
    with connection.transaction():
        connection.execute(SQL.set_role_parameters, {"role": role, "password": password})
        connection.execute(SQL.create_role)
