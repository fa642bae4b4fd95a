"""The tables of both databases, from the catalogue of a server on which all migrations ran."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from generator.markdown import head, table, wrapped
from runtime.postgres.connections import migrate
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.runners import running
from stack.servers.credentials import APPS
from stack.servers.databases import provision
from stack.servers.postgres import Postgres

DATABASES = {"orders": "orders", "analytics": "processor"}
NOTES = Path(__file__).with_name("tables.toml")
INTRO = """\
`ordermesh psql orders` and `ordermesh psql analytics` open the databases read-only. Times are `timestamptz` and stored
in UTC. Money is in minor units (cents) in columns that end in `_minor`. Partitions of a table are left out.
"""
# Partitions and what the migrations keep of themselves are no tables of the product.
RELATIONS = """
    SELECT c.oid, c.relname, c.relkind, obj_description(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
    ORDER BY c.relname
"""
COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum),
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))
    FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
PARTITION_KEY = "SELECT pg_get_partkeydef(%s)"
TYPES = """
    SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname ORDER BY t.typname
"""
GRANTS = """
    SELECT g.grantee, string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type), g.table_name
    FROM information_schema.role_table_grants g JOIN pg_class c ON c.relname = g.table_name
    WHERE g.grantee = ANY (%s) AND g.table_schema = 'public' AND NOT c.relispartition
    GROUP BY g.grantee, g.table_name ORDER BY g.grantee, g.table_name
"""
PRIVILEGES = """\
The migrations grant these to the roles that exist. Owners (`orders_owner`, `analytics_owner`) have all privileges;
functions that maintain partitions run with the rights of their owner.
"""
KINDS = {"v": " (view)"}


class Undescribed(Exception):
    """A table or a column has no description, or one of something that is gone."""


def page() -> str:
    """Return the page. Raises Undescribed."""
    notes = tomllib.loads(NOTES.read_text())
    grants: list[tuple[str, str, str]] = []
    parts = [head("Tables", "the catalogue of migrated databases and `docs/generator/tables.toml`", INTRO)]
    with temporary_home() as home, running(Postgres.alone(StateFolder(home))) as server:
        provision(server.admin_dsn, server.credentials)
        for database, package in DATABASES.items():
            dsn = server.dsn(f"{database}_owner")
            migrate(dsn, f"{package}.migrations")
            with psycopg.connect(dsn) as connection:
                parts += database_part(connection, database, notes)
                grants += connection.execute(GRANTS, [list(APPS[database])]).fetchall()
    return "\n".join([*parts, "## Privileges\n", PRIVILEGES, table(("role", "privileges", "tables"), grouped(grants))])


def grouped(grants: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return one row for each role and set of privileges."""
    found: dict[tuple[str, str], list[str]] = {}
    for role, privileges, name in grants:
        found.setdefault((role, privileges), []).append(f"`{name}`")
    return [(f"`{role}`", privileges, ", ".join(names)) for (role, privileges), names in sorted(found.items())]


def database_part(connection: psycopg.Connection, database: str, notes: dict[str, Any]) -> Iterator[str]:
    """Return the tables of a database."""
    yield f"## Database {database}\n"
    enums = connection.execute(TYPES).fetchall()
    if enums:
        yield table(
            ("enum", "values"), [(f"`{name}`", ", ".join(f"`{one}`" for one in values)) for name, values in enums]
        )
    known = notes[database]
    for oid, name, kind, comment in connection.execute(RELATIONS).fetchall():
        if name not in known:
            raise Undescribed(f"describe the table {database}.{name} in {NOTES}")
        yield relation_part(connection, (oid, name, kind, comment), known.pop(name), database)
    if known:
        raise Undescribed(f"{NOTES} describes tables that are gone: {', '.join(known)}")


def relation_part(
    connection: psycopg.Connection, relation: tuple[int, str, str, str | None], notes: dict[str, str], database: str
) -> str:
    """Return one table or view."""
    oid, name, kind, comment = relation
    about = comment or notes.pop("about")
    if kind == "p":
        [[key]] = connection.execute(PARTITION_KEY, [oid]).fetchall()
        about += f" Partitioned by {key}."
    rows = []
    for column, type_name, required, remark, in_key in connection.execute(COLUMNS, [oid]).fetchall():
        if not remark and column not in notes:
            raise Undescribed(f"describe the column {database}.{name}.{column} in {NOTES}")
        meaning = remark or notes[column]
        notes.pop(column, None)
        null = "" if required or kind == "v" else "yes"
        rows.append((f"`{column}`" + (" (key)" if in_key else ""), type_name, null, meaning))
    notes.pop("about", None)
    if notes:
        raise Undescribed(f"{NOTES} describes columns of {database}.{name} that are gone: {', '.join(notes)}")
    body = table(("column", "type", "null", "meaning and unit"), rows)
    return f"### {name}{KINDS.get(kind, '')}\n\n{wrapped(about)}\n\n{body}"
