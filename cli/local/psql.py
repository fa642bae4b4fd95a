"""`ordermesh psql`: read-only access to the databases of the local stack."""

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
    """Makes the database optional before options of psql."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default database when the first argument is an option."""
        omitted = bool(args) and args[0].startswith("-") and not ctx.resilient_parsing
        return super().parse_args(ctx, [Database.ORDERS, *args] if omitted else args)


app = typer.Typer(add_completion=False)


@app.command(cls=DatabaseFirst, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    database: Annotated[Database, typer.Argument(help="The database.")] = Database.ORDERS,
) -> None:
    """Open psql with a read-only role; further arguments, such as -c, are passed to psql."""
    parameters = conninfo_to_dict(role_dsn(VIEWER, database))
    # In the environment: command lines are visible to other accounts.
    os.environ["PGPASSWORD"] = str(parameters.pop("password"))
    known = {name: str(value) for name, value in parameters.items()}
    conninfo = make_conninfo(**{"connect_timeout": str(CONNECT_TIMEOUT_SECONDS)} | known)
    program = locate(None, default_cache()).program("psql")
    os.execv(program, [Path(program).name, *context.args, conninfo])  # noqa: S606  # psql replaces this process
