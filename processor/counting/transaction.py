"""Writes a batch into the analytics database: what was counted and how far, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from processor.counting.deltas import MetricKey, deltas
from processor.events.batch import Batch, Parked
from processor.events.decode import Event, Window
from processor.events.positions import Mark, Start
from runtime.kafka import event_rules
from runtime.kafka.offsets import NO_TOPIC, Partition
from runtime.kafka.topics import DEAD_LETTER_TOPICS, topic_of
from runtime.postgres import arrays, connections
from runtime.postgres.pooler import Pooler
from runtime.postgres.queries import Queries

SQL = Queries("processor.counting", "transaction.sql")

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a batch changed: the events that were new, how many were not, and the dead letters that were new."""

    events: Sequence[Event]
    duplicates: int
    parked: int


def connect(dsn: str, pooler: Pooler = "none") -> Connection:
    """Connect as a worker. Raises psycopg.OperationalError."""
    return connections.connect(dsn, "ordermesh-processor", pooler)


class Counting:
    """A transaction that counts a batch: its events are recorded as they come, then everything that follows from them.

    It locks partitions before metrics and both sorted, as every worker does.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: list[psycopg.Cursor[Any]] = []

    def record(self, events: Sequence[Event], places: Sequence[tuple[int, int]]) -> None:
        """Send events to be recorded; the server works on them while the caller goes on."""
        if events:
            self._answers.append(self._connection.execute(SQL.insert_events, event_parameters(events, places)))

    def finish(self, batch: Batch) -> Counted:
        """Count what is new of the batch, whose events were recorded, and move its marks."""
        known = {event_id for answer in self._answers for (event_id,) in answer}
        events, counted = only_new(batch, known)
        parked = park_events(self._connection, batch.parked)
        add_progress(self._connection, batch, counted, parked, events)
        add_metrics(self._connection, deltas(events))
        return Counted(events, batch.duplicates + len(known), sum(parked.values()))


@contextmanager
def counting(connection: Connection) -> Iterator[Counting]:
    """Open a transaction that counts, and commit it.

    Raises psycopg.Error: nothing was changed, or, when the connection broke during the commit, perhaps all of it.
    """
    with connection.pipeline(), connection.transaction():
        yield Counting(connection)


def only_new(batch: Batch, known: set[str]) -> tuple[Sequence[Event], Counter[Partition]]:
    """Return the events that had not been counted before, and how many there are by partition."""
    fresh = [pair for pair in zip(batch.events, batch.places, strict=True) if pair[0].event_id not in known]
    counted = Counter((topic_of(event.type), partition) for event, (partition, _) in fresh)
    return [event for event, _ in fresh], counted


def event_parameters(events: Sequence[Event], places: Sequence[tuple[int, int]]) -> dict[str, str]:
    """Return the parameters of insert_events."""
    columns = list(zip(*events, strict=True))
    partitions, offsets = zip(*places, strict=True)
    return {
        "event_ids": arrays.plain(columns[0]),
        "order_ids": arrays.plain("NULL" if order_id is None else order_id for order_id in columns[1]),
        "types": arrays.plain(columns[2]),
        "occur_us": arrays.plain(columns[3]),
        "previous_statuses": arrays.plain(columns[4]),
        "statuses": arrays.plain(columns[5]),
        "totals_minor": arrays.plain(columns[6]),
        "units": arrays.plain(columns[7]),
        "partitions": arrays.plain(partitions),
        "offsets": arrays.plain(offsets),
    }


def park_events(connection: Connection, parked: Sequence[Parked]) -> Counter[Partition]:
    """Record the batch's dead letters; return how many were new, by partition."""
    if not parked:
        return Counter()
    parameters: dict[str, list[Any]] = {
        "topics": [letter.place[0] for letter in parked],
        "topic_ids": [letter.topic_id for letter in parked],
        "partitions": [letter.place[1] for letter in parked],
        "offsets": [letter.place[2] for letter in parked],
        "letter_topics": [None if letter.kept else DEAD_LETTER_TOPICS[letter.place[0]] for letter in parked],
        "letter_partitions": [letter.letter_partition for letter in parked],
        "letter_offsets": [letter.letter_offset for letter in parked],
        "event_ids": [letter.poison.event_id for letter in parked],
        "reasons": [letter.poison.reason.value for letter in parked],
        "details": [letter.poison.detail for letter in parked],
        "event_keys": [letter.kept and letter.kept.key for letter in parked],
        "event_values": [letter.kept and letter.kept.value for letter in parked],
        "event_headers": [letter.kept and letter.kept.headers for letter in parked],
    }
    return Counter((topic, partition) for topic, partition in connection.execute(SQL.park_events, parameters))


def add_progress(
    connection: Connection,
    batch: Batch,
    counted: Counter[Partition],
    parked: Counter[Partition],
    events: Sequence[Event],
) -> None:
    """Move the marks of the batch's partitions, with the latencies of its new events.

    The transaction fails with SerializationFailure when a mark is not where the batch began.
    """
    times = sorted(event.occur_us for event in events)
    spans = sorted(batch.spans.items())
    parameters = {
        "topics": [topic for (topic, _), _ in spans],
        "partitions": [partition for (_, partition), _ in spans],
        "topic_ids": [span.begin.topic_id for _, span in spans],
        "first_offsets": [span.begin.next_offset for _, span in spans],
        "next_offsets": [span.next_offset for _, span in spans],
        "counted": [counted[partition] for partition, _ in spans],
        "parked": [parked[partition] for partition, _ in spans],
        # The latest hundredth of the events has the earliest times.
        "p50_occur_us": times[len(times) // 2] if times else None,
        "p99_occur_us": times[len(times) // 100] if times else None,
    }
    connection.execute(SQL.add_progress, parameters)


def add_metrics(connection: Connection, changes: dict[MetricKey, int]) -> None:
    """Change the metrics; no name or dimension has a character that needs escaping."""
    if not changes:
        return
    rows = sorted(changes.items())
    parameters = {
        "names": arrays.plain(name for (name, _), _ in rows),
        "dimensions": '{"' + '","'.join(dimension for (_, dimension), _ in rows) + '"}',
        "changes": arrays.plain(change for _, change in rows),
    }
    connection.execute(SQL.add_metrics, parameters)


def marks(connection: Connection) -> dict[Partition, Mark]:
    """Return how far each partition is counted."""
    rows = connection.execute(SQL.list_progress)
    return {(topic, partition): Mark(topic_id, offset) for topic, partition, topic_id, offset in rows}


def open_marks(connection: Connection, starts: Mapping[Partition, Start]) -> None:
    """Record the marks that are new; one that another worker moved meanwhile stays as it is."""
    new = sorted((place, start) for place, start in starts.items() if start.mark != start.known)
    if not new:
        return
    parameters = {
        "topics": [topic for (topic, _), _ in new],
        "partitions": [partition for (_, partition), _ in new],
        "topic_ids": [start.mark.topic_id for _, start in new],
        "next_offsets": [start.mark.next_offset for _, start in new],
        "known_ids": [start.known and start.known.topic_id for _, start in new],
        "known_offsets": [start.known and start.known.next_offset for _, start in new],
    }
    with connection.transaction():
        connection.execute(SQL.open_marks, parameters)
        # What was recorded before topics had ids here is taken to be of this one.
        connection.execute(SQL.name_letters, parameters | {"no_topic": NO_TOPIC})
        # Topics that were made again: their records are others.
        connection.execute(SQL.forget_suspects, parameters | {"no_topic": NO_TOPIC})


def window(connection: Connection, retention_days: int) -> Window:
    """Return which events may be counted now, by the database's clock."""
    parameters = {"retention_days": retention_days, "ahead_seconds": event_rules.AHEAD_SECONDS}
    row = connection.execute(SQL.event_window, parameters).fetchone()
    assert row is not None  # noqa: S101  # a query without FROM has one row
    return Window(*row)


def leave(connection: Connection, worker_id: str) -> None:
    """Take a worker's heartbeat away."""
    connection.execute(SQL.leave, {"worker_id": worker_id})


def beat(connection: Connection, worker_id: str, held: Iterable[Partition]) -> None:
    """Show that a worker is alive and which partitions it holds."""
    connection.execute(SQL.beat, {"worker_id": worker_id, "held": Jsonb(sorted(held))})
