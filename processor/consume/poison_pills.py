"""Knows the records that workers had in hand when they ended without a word, and which of them is to blame.

See docs/decisions/0015-crashing-records.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import Message

from processor.events.batch import Place, Span, place_of
from processor.events.positions import Mark
from runtime.kafka.offsets import Partition
from runtime.postgres.queries import Queries

SQL = Queries("processor.consume", "poison_pills.sql")
# So many ends of workers, at last with this record alone in hand, and it is not tried again.
MAX_CRASHES = 3
# Counted together while one of them is suspect: few enough to go on one by one, enough not to be slow.
CAREFUL_RECORDS = 50

Connection = psycopg.Connection[Any]


class InHand(NamedTuple):
    """The records of a partition that were in hand at the end of a worker, at most so many in all partitions."""

    first_offset: int
    next_offset: int
    records: int


class Suspects:
    """What was in hand at the ends of workers, of the partitions that this one holds."""

    def __init__(self) -> None:
        self._known: dict[Partition, list[InHand]] = {}

    def load(self, connection: Connection, worker_id: str, held: Iterable[Partition], batch_events: int) -> None:
        """Learn of the ends of all workers, also of those whose next run has not told yet."""
        self._known = {}
        mine = set(held)
        for topic, partition, *in_hand in connection.execute(
            SQL.suspects, {"worker_id": worker_id, "records": batch_events}
        ):
            if (topic, partition) in mine:
                self._known.setdefault((topic, partition), []).append(InHand(*in_hand))

    def first(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return how many of the first messages are to be counted together: all, a few, or one by one."""
        if not self._known or not messages:
            return messages
        most = self._most(messages[0], len(messages))
        other = (number for number, message in enumerate(messages[:most]) if self._most(message, len(messages)) != most)
        return messages[: next(other, most)]

    def _most(self, message: Message, all_of_them: int) -> int:
        records = min((one.records for one in self._of(place_of(message))), default=None)
        if records is None:
            return all_of_them
        return CAREFUL_RECORDS if records > CAREFUL_RECORDS else 1

    def name(self, messages: Sequence[Message]) -> list[Place]:
        """Return the places of those messages that are suspect."""
        return [place for place in map(place_of, messages) if self._of(place)] if self._known else []

    def to_blame(self, message: Message) -> int:
        """Return how many workers ended with a message in hand, 0 unless it is to blame for that."""
        ends = self._of(place_of(message)) if self._known else []
        return len(ends) if len(ends) >= MAX_CRASHES and min(one.records for one in ends) == 1 else 0

    def _of(self, place: Place) -> list[InHand]:
        topic, partition, offset = place
        return [one for one in self._known.get((topic, partition), ()) if one.first_offset <= offset < one.next_offset]

    def settle(self, connection: Connection, spans: Mapping[Partition, Span]) -> None:
        """Forget what lies before the ends of spans, which are counted."""
        passed = {place: span.next_offset for place, span in spans.items() if self._passed(place, span.next_offset)}
        if not passed:
            return
        connection.execute(SQL.settle, {**columns(passed), "next_offsets": list(passed.values())})
        for place, next_offset in passed.items():
            self._known[place] = [one for one in self._known[place] if one.next_offset > next_offset]
            if not self._known[place]:
                del self._known[place]

    def _passed(self, place: Partition, next_offset: int) -> bool:
        return any(one.next_offset <= next_offset for one in self._known.get(place, ()))


def note_last_end(connection: Connection, worker_id: str, marks: Mapping[Partition, Mark], batch_events: int) -> int:
    """Record what the last run of a worker had in hand, unless it ended in order; return in how many partitions."""
    row = connection.execute(SQL.left, {"worker_id": worker_id}).fetchone()
    if row is None:
        return 0
    held, in_hand = row
    begins = [(*place, marks[place].next_offset) for place in map(tuple, held) if place in marks]
    spans = in_hand["spans"] if in_hand else [(*begin, begin[2] + batch_events) for begin in begins]
    parameters = {
        "worker_id": worker_id,
        "records": in_hand["records"] if in_hand else batch_events,
        **columns((topic, partition) for topic, partition, _, _ in spans),
        "first_offsets": [first for _, _, first, _ in spans],
        "next_offsets": [end for _, _, _, end in spans],
    }
    connection.execute(SQL.note_crash, parameters)
    return len(spans)


def columns(places: Iterable[Partition]) -> dict[str, list[Any]]:
    """Return partitions as parameters."""
    found = list(places)
    return {"topics": [topic for topic, _ in found], "partitions": [partition for _, partition in found]}


def take_in_hand(connection: Connection, worker_id: str, places: Sequence[Place]) -> None:
    """Note which suspect records are counted next; none: that they are counted."""
    spans: dict[Partition, list[int]] = {}
    for topic, partition, offset in places:
        span = spans.setdefault((topic, partition), [offset, offset])
        span[1] = offset + 1
    in_hand = {"records": len(places), "spans": [[*place, *span] for place, span in spans.items()]}
    parameters = {"worker_id": worker_id, "in_hand": json.dumps(in_hand) if places else None}
    connection.execute(SQL.take_in_hand, parameters)


def forget(connection: Connection, days: int) -> None:
    """Forget the ends of workers that were long ago."""
    connection.execute(SQL.forget_crashes, {"days": days})
