"""The settings of every program that connects to PostgreSQL, besides the URI of its database."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import Field, SecretStr, ValidationInfo

from runtime.postgres.pooler import Pooler
from runtime.settings import Settings


class PostgresSettings(Settings):
    """How to connect to the database of a program."""

    # Before the URI that uses it.
    postgres_password: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Password of the role in the PostgreSQL URI, which then has none: so the URI is no secret. "
        "Its file is read again when a connection is refused.",
    )
    postgres_pooler: Pooler = Field(
        default="none",
        description="Mode of a pooler such as PgBouncer in front of PostgreSQL (docs/how-to/postgresql.md).",
    )


def with_password(dsn: SecretStr, info: ValidationInfo) -> SecretStr:
    """Return a URI with ORDERMESH_POSTGRES_PASSWORD, if that is set. Raises ValueError for one that cannot be read."""
    password: SecretStr | None = info.data.get("postgres_password")
    if password is None:
        return dsn
    try:
        return SecretStr(make_conninfo(dsn.get_secret_value(), password=password.get_secret_value()))
    except psycopg.ProgrammingError as error:
        raise ValueError(f"must be a PostgreSQL URI: {error}") from error
