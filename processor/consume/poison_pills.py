"""Detects poison pills: records that crash the worker that processes them.

See docs/decisions/0015-crashing-records.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Message

from processor.events.batch import OffsetRange, Place, place_of
from processor.events.resume_positions import Position
from runtime.kafka.offsets import Partition
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.consume", "poison_pills.sql")
# After so many crashes, the last with only this record in flight, the record is rejected.
MAX_CRASHES = 3
# Suspect records counted in one transaction: few enough to continue one by one, enough not to be slow.
SUSPECTS_PER_BATCH = 50


class Suspects(NamedTuple):
    """The records of a partition that were in flight at a crash; `records` were in flight in all partitions."""

    first_offset: int
    next_offset: int
    records: int


class PoisonPillDetector:
    """The records that were in flight at crashes of workers, of the partitions assigned to this worker."""

    def __init__(self) -> None:
        self._suspects: dict[Partition, list[Suspects]] = {}

    def load(self, connection: Connection, worker_id: str, assigned: Iterable[Partition], batch_events: int) -> None:
        """Read the crashes of all workers, including those that have not restarted yet."""
        self._suspects = {}
        mine = set(assigned)
        for topic, partition, *suspects in connection.execute(
            SQL.list_suspects, {"worker_id": worker_id, "records": batch_events}
        ):
            if (topic, partition) in mine:
                self._suspects.setdefault((topic, partition), []).append(Suspects(*suspects))

    def first_batch(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the first messages to count in one transaction: all, some suspects, or one of them."""
        if not self._suspects or not messages:
            return messages
        most = self._most(messages[0], len(messages))
        other = (number for number, message in enumerate(messages[:most]) if self._most(message, len(messages)) != most)
        return messages[: next(other, most)]

    def _most(self, message: Message, all_of_them: int) -> int:
        records = min((one.records for one in self._of(place_of(message))), default=None)
        if records is None:
            return all_of_them
        return SUSPECTS_PER_BATCH if records > SUSPECTS_PER_BATCH else 1

    def suspect_places(self, messages: Sequence[Message]) -> list[Place]:
        """Return the places of those messages that are suspect."""
        return [place for place in map(place_of, messages) if self._of(place)] if self._suspects else []

    def crashes_by(self, message: Message) -> int:
        """Return the number of crashes with this message in flight if it is a poison pill, else 0."""
        crashes = self._of(place_of(message)) if self._suspects else []
        return len(crashes) if len(crashes) >= MAX_CRASHES and min(one.records for one in crashes) == 1 else 0

    def _of(self, place: Place) -> list[Suspects]:
        topic, partition, offset = place
        return [
            one for one in self._suspects.get((topic, partition), ()) if one.first_offset <= offset < one.next_offset
        ]

    def resolve(self, connection: Connection, ranges: Mapping[Partition, OffsetRange]) -> None:
        """Drop the suspects before the ends of these ranges, which are counted."""
        passed = {
            partition: covered.next_offset
            for partition, covered in ranges.items()
            if self._is_passed(partition, covered.next_offset)
        }
        if not passed:
            return
        connection.execute(SQL.resolve_crashes, {**columns(passed), "next_offsets": list(passed.values())})
        for partition, next_offset in passed.items():
            self._suspects[partition] = [one for one in self._suspects[partition] if one.next_offset > next_offset]
            if not self._suspects[partition]:
                del self._suspects[partition]

    def _is_passed(self, partition: Partition, next_offset: int) -> bool:
        return any(one.next_offset <= next_offset for one in self._suspects.get(partition, ()))


def record_last_crash(
    connection: Connection, worker_id: str, positions: Mapping[Partition, Position], batch_events: int
) -> int:
    """Record what a worker's last run had in flight, unless it shut down cleanly; return in how many partitions."""
    row = connection.execute(SQL.last_run, {"worker_id": worker_id}).fetchone()
    if row is None:
        return 0
    assigned, in_flight = row
    begins = [(*each, positions[each].next_offset) for each in map(tuple, assigned) if each in positions]
    ranges = in_flight["spans"] if in_flight else [(*begin, begin[2] + batch_events) for begin in begins]
    parameters = {
        "worker_id": worker_id,
        "records": in_flight["records"] if in_flight else batch_events,
        **columns((topic, partition) for topic, partition, _, _ in ranges),
        "first_offsets": [first for _, _, first, _ in ranges],
        "next_offsets": [end for _, _, _, end in ranges],
    }
    connection.execute(SQL.insert_crash, parameters)
    return len(ranges)


def record_in_flight(connection: Connection, worker_id: str, places: Sequence[Place]) -> None:
    """Record which suspect records are counted next; an empty list: that they are counted."""
    ranges: dict[Partition, list[int]] = {}
    for topic, partition, offset in places:
        found = ranges.setdefault((topic, partition), [offset, offset])
        found[1] = offset + 1
    in_flight = {"records": len(places), "spans": [[*each, *found] for each, found in ranges.items()]}
    parameters = {"worker_id": worker_id, "in_flight": json.dumps(in_flight) if places else None}
    connection.execute(SQL.record_in_flight, parameters)


def delete_old_crashes(connection: Connection, days: int) -> None:
    """Delete the crashes from before the retention."""
    connection.execute(SQL.delete_old_crashes, {"days": days})


def columns(partitions: Iterable[Partition]) -> dict[str, list[Any]]:
    """Return partitions as parameters."""
    found = list(partitions)
    return {"topics": [topic for topic, _ in found], "partitions": [number for _, number in found]}
