"""The analytics database as a worker uses it besides counting: connection, positions, event window, heartbeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg.types.json import Jsonb

from processor.events.event import EventWindow
from processor.events.resume_positions import Position, Start
from runtime.kafka import event_rules
from runtime.kafka.offsets import NO_TOPIC, Partition
from runtime.postgres import connections
from runtime.postgres.connection_types import Connection
from runtime.postgres.pooler import Pooler
from runtime.postgres.queries import Queries

SQL = Queries("processor.counting", "progress.sql")


def connect(dsn: str, pooler: Pooler = "none") -> Connection:
    """Connect as a worker. Raises psycopg.OperationalError."""
    return connections.connect(dsn, "ordermesh-processor", pooler)


def positions(connection: Connection) -> dict[Partition, Position]:
    """Return the recorded position of each partition."""
    rows = connection.execute(SQL.list_positions)
    return {(topic, partition): Position(topic_id, offset) for topic, partition, topic_id, offset in rows}


def initialize_positions(connection: Connection, starts: Mapping[Partition, Start]) -> None:
    """Record the positions that are new; one that another worker advanced meanwhile is not changed."""
    new = sorted((partition, start) for partition, start in starts.items() if start.position != start.recorded)
    if not new:
        return
    parameters = {
        "topics": [topic for (topic, _), _ in new],
        "partitions": [number for (_, number), _ in new],
        "topic_ids": [start.position.topic_id for _, start in new],
        "next_offsets": [start.position.next_offset for _, start in new],
        "recorded_ids": [start.recorded and start.recorded.topic_id for _, start in new],
        "recorded_offsets": [start.recorded and start.recorded.next_offset for _, start in new],
    }
    with connection.transaction():
        connection.execute(SQL.initialize_positions, parameters)
        # Rows without a topic id are assumed to belong to the current topic.
        connection.execute(SQL.assign_topic_ids, parameters | {"no_topic": NO_TOPIC})
        connection.execute(SQL.resolve_crashes_of_old_topics, parameters | {"no_topic": NO_TOPIC})


def event_window(connection: Connection, retention_days: int) -> EventWindow:
    """Return which events may be counted now, by the database's clock."""
    parameters = {"retention_days": retention_days, "ahead_seconds": event_rules.AHEAD_SECONDS}
    row = connection.execute(SQL.event_window, parameters).fetchone()
    assert row is not None  # noqa: S101  # a query without FROM has one row
    return EventWindow(*row)


def record_heartbeat(connection: Connection, worker_id: str, assigned: Iterable[Partition]) -> None:
    """Record that a worker is alive, and its assigned partitions."""
    connection.execute(SQL.record_heartbeat, {"worker_id": worker_id, "assigned": Jsonb(sorted(assigned))})


def worker_number(connection: Connection, worker_id: str) -> int:
    """Return the number under which a worker counts events."""
    row = connection.execute(SQL.worker_number, {"worker_id": worker_id}).fetchone()
    assert row is not None  # noqa: S101  # an insert that returns has one row
    return int(row[0])


def delete_heartbeat(connection: Connection, worker_id: str) -> None:
    """Delete a worker's heartbeat: it shuts down cleanly."""
    connection.execute(SQL.delete_heartbeat, {"worker_id": worker_id})
