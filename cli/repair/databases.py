"""The databases as a repair uses them: with the rights of their owners, and without time limits for statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.target import ANALYTICS_OWNER, ORDERS_OWNER
from runtime.postgres.connection_types import Connection
from runtime.postgres.connections import connect

APPLICATION = "ordermesh-repair"


@contextmanager
def orders_database() -> Iterator[Connection]:
    """Connect to the orders database. Raises StackError and psycopg.Error."""
    # Works with every pooler.
    with connect(ORDERS_OWNER.dsn(), APPLICATION, "transaction") as connection:
        yield connection


@contextmanager
def analytics_database() -> Iterator[Connection]:
    """Connect to the analytics database. Raises StackError and psycopg.Error."""
    with connect(ANALYTICS_OWNER.dsn(), APPLICATION, "transaction") as connection:
        yield connection
