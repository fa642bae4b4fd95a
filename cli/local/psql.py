"""`ordermesh psql`: the databases for people, read-only."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.core import TyperCommand

from cli.target import role_dsn
from runtime.postgres.connections import CONNECT_TIMEOUT_SECONDS
from stack.machine.paths import default_cache
from stack.servers.credentials import VIEWER
from stack.servers.postgres_binaries import locate


class Database(StrEnum):
    """The databases."""

    ORDERS = "orders"
    ANALYTICS = "analytics"


class DatabaseFirst(TyperCommand):
    """Takes the database as its first word or not at all: an option of psql in that place is no database."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default where the database was left out."""
        left_out = bool(args) and args[0].startswith("-") and not ctx.resilient_parsing
        return super().parse_args(ctx, [Database.ORDERS, *args] if left_out else args)


app = typer.Typer(add_completion=False)


@app.command(cls=DatabaseFirst, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    database: Annotated[Database, typer.Argument(help="Which database.")] = Database.ORDERS,
) -> None:
    """Open psql on a database as a role that only reads; further arguments, as -c, go to psql."""
    parts = conninfo_to_dict(role_dsn(VIEWER, database))
    # In the environment: other accounts can read a command line.
    os.environ["PGPASSWORD"] = str(parts.pop("password"))
    known = {name: str(value) for name, value in parts.items()}
    conninfo = make_conninfo(**{"connect_timeout": str(CONNECT_TIMEOUT_SECONDS)} | known)
    program = locate(None, default_cache()).program("psql")
    os.execv(program, [Path(program).name, *context.args, conninfo])  # noqa: S606  # a terminal program in our place
