"""Counts a batch in one transaction: its new events, its dead letters, the metrics, and the partition positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from processor.counting.deltas import MetricKey, deltas
from processor.events.batch import Batch, DeadLetter
from processor.events.event import Event
from runtime.kafka.offsets import Partition
from runtime.kafka.topics import DEAD_LETTER_TOPICS, topic_of
from runtime.postgres import arrays
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.counting", "transaction.sql")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a batch changed: the events that were new, the number of duplicates, and of new dead letters."""

    events: Sequence[Event]
    duplicates: int
    dead_letters: int


class CountingTransaction:
    """A transaction that counts a batch: events are recorded as they are decoded, then all that follows from them.

    It locks partitions before metrics, both in sorted order, as every worker does.
    """

    def __init__(self, connection: Connection, worker: int | None) -> None:
        self._connection = connection
        self._worker = worker
        self._recorded: list[psycopg.Cursor[Any]] = []

    def record(self, events: Sequence[Event], places: Sequence[tuple[int, int]]) -> None:
        """Send events to be recorded; the server inserts them while the caller continues."""
        if events:
            parameters = {**event_parameters(events, places), "worker": self._worker}
            self._recorded.append(self._connection.execute(SQL.insert_events, parameters))

    def finish(self, batch: Batch) -> Counted:
        """Count the new events of the batch, whose events were recorded, and advance its positions."""
        duplicate_ids = {event_id for cursor in self._recorded for (event_id,) in cursor}
        events, counted = only_new(batch, duplicate_ids)
        dead_letters = insert_dead_letters(self._connection, batch.dead_letters)
        advance_positions(self._connection, batch, counted, dead_letters, events)
        add_metrics(self._connection, deltas(events))
        return Counted(events, batch.duplicates + len(duplicate_ids), sum(dead_letters.values()))


@contextmanager
def counting(connection: Connection, worker: int | None = None) -> Iterator[CountingTransaction]:
    """Open a transaction that counts, as a worker with a number if it has one, and commit it.

    Raises psycopg.Error: nothing was changed, or, when the connection failed during the commit, possibly all of it.
    """
    with connection.pipeline(), connection.transaction():
        yield CountingTransaction(connection, worker)


def only_new(batch: Batch, duplicate_ids: set[str]) -> tuple[Sequence[Event], Counter[Partition]]:
    """Return the events that had not been counted before, and their number by partition."""
    new = [pair for pair in zip(batch.events, batch.places, strict=True) if pair[0].event_id not in duplicate_ids]
    counted = Counter((topic_of(event.type), partition) for event, (partition, _) in new)
    return [event for event, _ in new], counted


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


def insert_dead_letters(connection: Connection, dead_letters: Sequence[DeadLetter]) -> Counter[Partition]:
    """Record the batch's dead letters; return how many were new, by partition."""
    if not dead_letters:
        return Counter()
    parameters: dict[str, list[Any]] = {
        "topics": [each.place[0] for each in dead_letters],
        "topic_ids": [each.topic_id for each in dead_letters],
        "partitions": [each.place[1] for each in dead_letters],
        "offsets": [each.place[2] for each in dead_letters],
        "dlq_topics": [None if each.stored else DEAD_LETTER_TOPICS[each.place[0]] for each in dead_letters],
        "dlq_partitions": [each.dlq_partition for each in dead_letters],
        "dlq_offsets": [each.dlq_offset for each in dead_letters],
        "event_ids": [each.rejection.event_id for each in dead_letters],
        "order_ids": [each.order_id for each in dead_letters],
        "event_types": [each.rejection.event_type for each in dead_letters],
        "reasons": [each.rejection.reason.value for each in dead_letters],
        "details": [each.rejection.detail for each in dead_letters],
        "event_keys": [each.stored and each.stored.key for each in dead_letters],
        "event_values": [each.stored and each.stored.value for each in dead_letters],
        "event_headers": [each.stored and each.stored.headers for each in dead_letters],
    }
    new = connection.execute(SQL.insert_dead_letters, parameters)
    return Counter((topic, partition) for topic, partition in new)


def advance_positions(
    connection: Connection,
    batch: Batch,
    counted: Counter[Partition],
    dead_letters: Counter[Partition],
    events: Sequence[Event],
) -> None:
    """Advance the positions of the batch's partitions, with the latencies of its new events.

    The transaction fails with SerializationFailure when a position is not where the batch started.
    """
    times = sorted(event.occur_us for event in events)
    ranges = sorted(batch.ranges.items())
    parameters = {
        "topics": [topic for (topic, _), _ in ranges],
        "partitions": [partition for (_, partition), _ in ranges],
        "topic_ids": [covered.start.topic_id for _, covered in ranges],
        "first_offsets": [covered.start.next_offset for _, covered in ranges],
        "next_offsets": [covered.next_offset for _, covered in ranges],
        "counted": [counted[partition] for partition, _ in ranges],
        "dead_letters": [dead_letters[partition] for partition, _ in ranges],
        # The events with the longest latencies have the earliest times.
        "p50_occur_us": times[len(times) // 2] if times else None,
        "p99_occur_us": times[len(times) // 100] if times else None,
    }
    connection.execute(SQL.advance_positions, parameters)


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
