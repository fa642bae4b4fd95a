"""Reads what was counted, for a repair."""

from __future__ import annotations

from typing import NamedTuple

from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.repair", "repair.sql")


class CountedEvents(NamedTuple):
    """The counted events of a minute: type, total_minor and units by id; and the ids of all open dead letters."""

    events: dict[str, tuple[int, int, int]]
    dead_letters: frozenset[str]


def counted_events(connection: Connection, minute: int) -> CountedEvents:
    """Return the events that were counted with a time within a minute."""
    rows = connection.execute(SQL.counted_events, {"minute": minute})
    events = {event_id: (type_, total_minor, units) for event_id, type_, total_minor, units in rows}
    return CountedEvents(events, frozenset(row[0] for row in connection.execute(SQL.open_dead_letters)))
