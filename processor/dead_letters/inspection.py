"""Dead letters in the database: where each is, what is known of it, and lists of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from runtime import timestamps
from runtime.kafka import topics
from runtime.kafka.offsets import NO_TOPIC
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.dead_letters", "dead_letters.sql")
PLACE = re.compile(
    r"(?P<topic>[a-z-]+)\.(?P<partition>[0-9]{1,9})\.(?P<offset>[0-9]{1,18})(\.(?P<topic_id>[0-9a-f-]{36}))?"
)
START = (0, "", 0, 0, str(NO_TOPIC))


class DeadLetterPlace(NamedTuple):
    """Where a dead letter's record was read; with the topic's id if a later topic of this name has one there too."""

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None = None

    @property
    def name(self) -> str:
        """The id of the dead letter, which `parse_place` accepts."""
        return ".".join(str(part) for part in self if part is not None)


class DeadLetterNotFound(Exception):
    """There is no dead letter of this place."""


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """What the database has of a dead letter."""

    place: DeadLetterPlace
    topic_id: UUID
    event_id: str | None
    order_id: str | None
    event_type: int | None
    reason: str
    detail: str
    created_at: datetime
    redriven_at: datetime | None
    discarded_at: datetime | None

    @property
    def name(self) -> str:
        """The id of the dead letter."""
        return self.place.name

    @property
    def state(self) -> str:
        """OPEN, REDRIVEN or DISCARDED."""
        if self.discarded_at is not None:
            return "DISCARDED"
        return "OPEN" if self.redriven_at is None else "REDRIVEN"

    @property
    def cursor(self) -> str:
        """Where it is in a list."""
        created_us = (self.created_at - timestamps.EPOCH) // timestamps.MICROSECOND
        return "/".join(map(str, (created_us, *self.place[:3], self.topic_id)))

    @property
    def row(self) -> dict[str, object]:
        """The parameters that name its row."""
        return {**self.place._asdict(), "topic_id": self.topic_id}


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the bytes of a dead letter are: in a dead letter topic, or here if Kafka refused them."""

    topic: str | None
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: str | None


def parse_place(text: str) -> DeadLetterPlace | None:
    """Parse the id of a dead letter, None if it is none."""
    found = PLACE.fullmatch(text)
    if found is None or found["topic"] not in topics.EVENT_TOPICS:
        return None
    try:
        topic_id = None if found["topic_id"] is None else UUID(found["topic_id"])
    except ValueError:
        return None
    return DeadLetterPlace(found["topic"], int(found["partition"]), int(found["offset"]), topic_id)


def page(
    connection: Connection, filters: Mapping[str, Any], cursor: str, limit: int
) -> tuple[int, list[DeadLetterEntry]]:
    """Return the number of dead letters that match, and those after a cursor, oldest first. Raises psycopg.Error."""
    names = ("after_us", "after_topic", "after_partition", "after_offset", "after_topic_id")
    after = cursor.split("/") if cursor else START
    parameters = {**filters, **dict(zip(names, after, strict=True)), "limit": limit}
    rows = connection.execute(SQL.list_dead_letters, parameters).fetchall()
    return rows[0][0], [entry(row[1:]) for row in rows if row[1] is not None]


def find(connection: Connection, place: DeadLetterPlace) -> tuple[DeadLetterEntry, Stored]:
    """Return a dead letter and where its bytes are. Raises DeadLetterNotFound, psycopg.Error."""
    row = connection.execute(SQL.find_dead_letter, place._asdict()).fetchone()
    if row is None:
        raise DeadLetterNotFound(f"there is no dead letter {place.name}")
    return entry(row[:13]), Stored(*row[13:])


def entry(row: tuple[Any, ...]) -> DeadLetterEntry:
    """Return an entry from its row, whose last column is whether the topic's id belongs to its place."""
    topic, partition, offset, topic_id, *known, with_topic_id = row
    return DeadLetterEntry(
        DeadLetterPlace(topic, partition, offset, topic_id if with_topic_id else None), topic_id, *known
    )
