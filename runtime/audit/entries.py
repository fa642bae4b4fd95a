"""Entries of the audit log: who changed what, from where, and what it was before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from runtime.postgres.connection_types import AsyncConnection, Connection
from runtime.postgres.queries import Queries

SQL = Queries("runtime.audit", "audit.sql")

State = Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts, and from where: the address that the front proxy saw, or the terminal of a command."""

    role: str
    subject: str
    client_address: str
    request_id: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to what: an RPC or a command, and the state of its target before and after, if there is one."""

    action: str
    target: str
    before: State
    after: State


def parameters(origin: Origin, action: Action) -> dict[str, object]:
    """Return the parameters of insert_entry."""
    changed = {"before": as_json(action.before), "after": as_json(action.after)}
    return {**asdict(origin), "action": action.action, "target": action.target, **changed}


def as_json(state: State) -> str | None:
    """Return a state as JSON, None without one. Times become text."""
    return None if state is None else json.dumps(state, default=str)


def record(connection: Connection, origin: Origin, action: Action) -> None:
    """Append an entry, in the transaction of the change that it describes."""
    connection.execute(SQL.insert_entry, parameters(origin, action))


async def record_async(connection: AsyncConnection, origin: Origin, action: Action) -> None:
    """Do the same as `record` on an asynchronous connection."""
    await connection.execute(SQL.insert_entry, parameters(origin, action))
