"""Makes the databases and roles of the services on a PostgreSQL server, local or given."""

from __future__ import annotations

import contextlib

import psycopg

from runtime.postgres.connections import connect
from runtime.postgres.queries import Queries
from stack.errors import ServerFailed
from stack.servers.credentials import APPS, DATABASE_OF, VIEWER, Credentials

SQL = Queries("stack.servers", "databases.sql")
CREATE = {"orders": SQL.create_orders, "analytics": SQL.create_analytics}
SERVING = {role for roles in APPS.values() for role in roles}
RIGHTS = {
    "orders": (SQL.close_orders, SQL.open_orders),
    "analytics": (SQL.close_analytics, SQL.open_analytics),
}


def provision(admin_dsn: str, credentials: Credentials) -> None:
    """Create what is missing and set the passwords; safe to repeat. Raises ServerFailed when the server refuses."""
    try:
        with connect(admin_dsn, "ordermesh-provision", "transaction") as connection:
            make_roles(connection, credentials)
            existing = {row[0] for row in connection.execute(SQL.list_databases)}
            for name, statement in CREATE.items():
                if name not in existing:
                    connection.execute(statement)
                for right in RIGHTS[name]:
                    connection.execute(right)
            # An administrator of a server that exists may not hold what this grants; only `ordermesh psql` needs it.
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(SQL.let_viewer_read)
    except psycopg.Error as error:
        raise ServerFailed(f"PostgreSQL refuses to make the databases and roles: {error}".rstrip()) from error


def make_roles(connection: psycopg.Connection, credentials: Credentials) -> None:
    """Create the roles and set their passwords in one transaction."""
    with connection.transaction():
        for role in (*DATABASE_OF, VIEWER):
            connection.execute(SQL.name_role, {"role": role, "password": credentials.password(role)})
            connection.execute(SQL.make_role)
            if role in SERVING:
                connection.execute(SQL.bound_role)
