"""Records what a command changes outside of a database: first in a file, from there in the audit log of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cli.output.terminal import errors
from cli.target import local_status, role_dsn
from runtime.audit.entries import Action
from runtime.audit.spool import Spool
from runtime.postgres.connections import connect
from stack.identity.operator import origin
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import DATABASE_OF, OWNERS

OWNER = OWNERS["orders"]


@contextmanager
def recorded(action: Action) -> Iterator[None]:
    """Record an action durably, let the body do it, and move the entry into the database of a running stack.

    A stack that starts moves what is left.
    """
    spool = Spool(StateFolder(default_home()).audit_spool)
    with spool.recording(origin(), action):
        yield
    move_entries(action.action)


def move_entries(what: str) -> None:
    """Move the entries of what was done into the database of a running stack."""
    if local_status() is None:
        return
    spool = Spool(StateFolder(default_home()).audit_spool)
    try:
        with connect(role_dsn(OWNER, DATABASE_OF[OWNER]), "ordermesh-audit", "transaction") as connection:
            spool.move(connection)
    except psycopg.Error:
        errors.print(f"{what}: in the audit log once its database answers: with the next command or start")
