"""Records what a command changes outside of a database, in the audit log of the running stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.operator import origin
from cli.output.terminal import errors
from cli.target import ORDERS, local_status
from runtime.audit.entries import Action, record
from runtime.postgres.connections import connect


@contextmanager
def recorded(action: Action) -> Iterator[None]:
    """Write the entry, let the body make the change, and commit. Raises psycopg.Error before the change is made."""
    if local_status() is None:
        yield
        errors.print(f"{action.action}: not in the audit log, which needs the running stack")
        return
    with connect(ORDERS.dsn(), "ordermesh-audit", "transaction") as connection, connection.transaction():
        record(connection, origin(), action)
        yield
