"""Lists dead letters, and shows one with its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from confluent_kafka import KafkaError, Message, TopicPartition

from processor.counting import progress
from processor.dead_letters import headers
from processor.events.batch import Place
from processor.settings import EventSettings
from runtime.kafka import clients, topics
from runtime.kafka.offsets import NO_TOPIC
from runtime.kafka.records.headers import Headers, last_value, read_headers
from runtime.kafka.records.raw_headers import RawHeaders
from runtime.postgres.queries import Queries

SQL = Queries("processor.dead_letters", "dead_letters.sql")
CLIENT_ID = "ordermesh-dead-letters"
READ_SECONDS = 10.0
PLACE_RULE = "must be topic/partition/offset, such as order-events/3/1042, as `ordermesh dlq list` shows it"
PLACE = re.compile(r"(?P<topic>[^/]+)/(?P<partition>[0-9]{1,9})/(?P<offset>[0-9]{1,18})(/(?P<topic_id>[0-9a-f-]{36}))?")


class DeadLetterPlace(NamedTuple):
    """Where a dead letter's record was read; with the topic's id if a later topic of this name has one there too."""

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None = None

    @property
    def name(self) -> str:
        """The place in the form that `parse_place` accepts."""
        return "/".join(str(part) for part in self if part is not None)


class DeadLetterNotFound(Exception):
    """There is no dead letter of this place, or Kafka does not have its bytes."""


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """What the database has of a dead letter."""

    place: DeadLetterPlace
    event_id: str | None
    reason: str
    detail: str
    created_at: datetime
    redriven_at: datetime | None

    @property
    def name(self) -> str:
        """The place in the form that `parse_place` accepts."""
        return self.place.name


@dataclass(frozen=True, slots=True)
class DeadLetterContent:
    """A dead letter with the event's key, value and headers; headers whose name is not UTF-8 are separate, as bytes."""

    entry: DeadLetterEntry
    topic_id: UUID
    key: bytes | None
    value: bytes | None
    headers: Headers
    byte_headers: RawHeaders


def parse_place(text: str) -> DeadLetterPlace:
    """Parse the name of a dead letter. Raises ValueError."""
    found = PLACE.fullmatch(text)
    if found is None or found["topic"] not in topics.EVENT_TOPICS:
        raise ValueError(f"{text!r} {PLACE_RULE}")
    topic_id = None if found["topic_id"] is None else UUID(found["topic_id"])
    return DeadLetterPlace(found["topic"], int(found["partition"]), int(found["offset"]), topic_id)


def list_dead_letters(settings: EventSettings, limit: int, *, redriven: bool = False) -> list[DeadLetterEntry]:
    """List dead letters, the latest first; `redriven` includes those that were redriven. Raises psycopg.Error."""
    with progress.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        rows = connection.execute(SQL.list_dead_letters, {"limit": limit, "redriven": redriven}).fetchall()
    return [DeadLetterEntry(DeadLetterPlace(*row[:4]), *row[4:]) for row in rows]


def show(settings: EventSettings, place: Place | DeadLetterPlace) -> DeadLetterContent:
    """Return one dead letter with its bytes. Raises DeadLetterNotFound, psycopg.Error."""
    with progress.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        return read_content(settings, connection, DeadLetterPlace(*place))


def read_content(settings: EventSettings, connection: psycopg.Connection, place: DeadLetterPlace) -> DeadLetterContent:
    """Return the dead letter of a place with its bytes. Raises DeadLetterNotFound, psycopg.Error."""
    row = connection.execute(SQL.find_dead_letter, place._asdict()).fetchone()
    if row is None:
        raise DeadLetterNotFound(f"there is no dead letter of {place.name}")
    entry, topic_id = DeadLetterEntry(place, *row[:5]), row[5]
    dlq_topic, dlq_partition, dlq_offset, key, value, stored_headers = row[6:]
    if dlq_topic is None:
        return DeadLetterContent(entry, topic_id, key, value, *by_name(headers.decode(stored_headers.encode())))
    message = read_record(settings, TopicPartition(dlq_topic, dlq_partition, dlq_offset))
    of_event, own = headers.split(read_headers(message))
    if not is_from(own, place._replace(topic_id=topic_id)):
        # The dead letter topic was recreated, and other records have these offsets.
        raise DeadLetterNotFound(f"Kafka no longer has the dead letter of {place.name}")
    readable, as_bytes = by_name(headers.decode(last_value(own, headers.RAW_HEADERS) or b"[]"))
    return DeadLetterContent(entry, topic_id, message.key(), message.value(), of_event + readable, as_bytes)


def is_from(own: Headers, place: DeadLetterPlace) -> bool:
    """Return whether a dead letter's own headers name this place; those of earlier versions have no topic id."""
    named = {name.removeprefix(headers.PREFIX): (value or b"").decode(errors="replace") for name, value in own}
    wanted = {"topic": place.topic, "partition": str(place.partition), "offset": str(place.offset)}
    same_topic = named.get("topic-id", str(NO_TOPIC)) in (str(NO_TOPIC), str(place.topic_id))
    return same_topic and all(named.get(name) == value for name, value in wanted.items())


def by_name(raw: RawHeaders) -> tuple[Headers, RawHeaders]:
    """Divide headers into those whose name is UTF-8, and the others."""
    readable: Headers = []
    as_bytes: RawHeaders = []
    for name, value in raw:
        try:
            readable.append((name.decode(), value))
        except UnicodeDecodeError:
            as_bytes.append((name, value))
    return readable, as_bytes


def read_record(settings: EventSettings, at: TopicPartition) -> Message:
    """Read the record at an offset. Blocks; raises DeadLetterNotFound when it is not there."""
    # Nothing joins or commits to this group, and the user may describe no other.
    consumer = clients.consumer(settings, CLIENT_ID, settings.processor_group)
    try:
        consumer.assign([at])
        message = consumer.poll(READ_SECONDS)
        name = f"{at.topic}/{at.partition}/{at.offset}"
        if message is None:
            raise DeadLetterNotFound(f"Kafka did not send {name} within {READ_SECONDS:g} seconds")
        if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
            raise DeadLetterNotFound(f"{name} cannot be read from Kafka: {error.str()}")
        if error is not None or message.offset() != at.offset:
            raise DeadLetterNotFound(f"Kafka does not have {name}")
        return message
    finally:
        consumer.close()
