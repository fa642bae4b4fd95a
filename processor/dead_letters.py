"""The desk of dead letters: lists them, shows one byte for byte, sends them again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from processor import letter_box, store
from processor.batch import Place
from processor.settings import DatabaseSettings
from runtime import kafka, kafka_limits
from runtime.headers import Headers, last_value, read_headers
from runtime.kafka_outbound import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.raw_headers import RawHeaders
from runtime.sql import Queries

SQL = Queries("processor", "dead_letters.sql")
CLIENT_ID = "ordermesh-dead-letters"
READ_SECONDS = 10.0
PLACE_RULE = "must be topic/partition/offset, such as order-events/3/1042"


class LetterNotFound(Exception):
    """No dead letter came from this place, or Kafka no longer has its bytes."""


class LetterNotSent(Exception):
    """Kafka did not take the event; its dead letter stays as it is."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known about an event that could not be counted."""

    place: Place
    event_id: str | None
    reason: str
    detail: str
    parked_at: datetime
    redriven_at: datetime | None

    @property
    def name(self) -> str:
        """The place as `parse_place` reads it."""
        return "/".join(map(str, self.place))


@dataclass(frozen=True, slots=True)
class LetterContent:
    """A dead letter with the event's own key, value and headers; names that are not UTF-8 stand apart, as bytes."""

    letter: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: Headers
    byte_headers: RawHeaders


def parse_place(text: str) -> Place:
    """Read the name of a dead letter. Raises ValueError."""
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if topic not in kafka.EVENT_TOPICS or not (partition.isdecimal() and offset.isdecimal()):
        raise ValueError(f"{text!r} {PLACE_RULE}")
    return topic, int(partition), int(offset)


def list_dead_letters(settings: DatabaseSettings, limit: int, *, redriven: bool = False) -> list[DeadLetter]:
    """List dead letters, the latest first; with `redriven` those too that were sent again. Raises psycopg.Error."""
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        rows = connection.execute(SQL.list_letters, {"limit": limit, "redriven": redriven}).fetchall()
    return [DeadLetter(tuple(row[:3]), *row[3:]) for row in rows]


def show(settings: DatabaseSettings, place: Place) -> LetterContent:
    """Return one dead letter with its bytes. Raises LetterNotFound, psycopg.Error."""
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        return content(settings, connection, place)


def redrive(settings: DatabaseSettings, places: Sequence[Place]) -> list[DeadLetter]:
    """Send events again to the topics they came from, and return their letters.

    Headers whose name is not UTF-8 are left out: no worker could read them. One that was sent twice is counted once.
    Raises LetterNotFound or LetterNotSent at the first that fails; those before it are done. Raises psycopg.Error.
    """
    done = []
    overrides = {**ONE_BY_ONE, **kafka_limits.AS_LARGE_AS_THE_BROKER_TAKES}
    producer: Outbound[Place] = Outbound(kafka.producer(settings, CLIENT_ID, overrides))
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        for place in places:
            found = content(settings, connection, place)
            send(producer, found)
            mark_redriven(connection, place)
            done.append(found.letter)
    return done


def send(producer: Outbound[Place], found: LetterContent) -> None:
    """Send one event to the topic it came from. Blocks; raises LetterNotSent."""
    place, deadline = found.letter.place, time.monotonic() + READ_SECONDS
    try:
        producer.put(place, place[0], found.value, found.key, found.headers, deadline)
        producer.wait(deadline)
    except NotAcknowledged as error:
        raise LetterNotSent(f"{found.letter.name} was not sent: {error}") from error
    if place in producer.errors:
        raise LetterNotSent(f"{found.letter.name} was not sent: {producer.errors[place].str()}")


def mark_redriven(connection: store.Connection, place: Place) -> None:
    """Note that the event was sent again."""
    connection.execute(SQL.mark_redriven, dict(zip(("topic", "partition", "offset"), place, strict=True)))


def content(settings: DatabaseSettings, connection: psycopg.Connection, place: Place) -> LetterContent:
    """Return the letter of a place with its bytes."""
    parameters = dict(zip(("topic", "partition", "offset"), place, strict=True))
    row = connection.execute(SQL.find_letter, parameters).fetchone()
    if row is None:
        raise LetterNotFound(f"no dead letter came from {'/'.join(map(str, place))}")
    letter = DeadLetter(place, *row[3:8])
    topic, partition, offset, key, value, headers = row[8:]
    if topic is None:
        return LetterContent(letter, key, value, *parted(letter_box.decoded(headers.encode())))
    message = read_one(settings, TopicPartition(topic, partition, offset))
    return LetterContent(letter, message.key(), message.value(), *own_headers(message))


def own_headers(message: Message) -> tuple[Headers, RawHeaders]:
    """Return the headers that a letter's event had: those with a readable name and the others."""
    headers = read_headers(message)
    names = [name for name, _ in headers]
    end = len(names) - names[::-1].index(letter_box.FIRST_OWN) - 1 if letter_box.FIRST_OWN in names else len(names)
    readable, as_bytes = parted(letter_box.decoded(last_value(headers[end:], letter_box.RAW_HEADERS) or b"[]"))
    return headers[:end] + readable, as_bytes


def parted(headers: RawHeaders) -> tuple[Headers, RawHeaders]:
    """Part headers into those with a readable name and the others."""
    readable: Headers = []
    as_bytes: RawHeaders = []
    for name, value in headers:
        try:
            readable.append((name.decode(), value))
        except UnicodeDecodeError:
            as_bytes.append((name, value))
    return readable, as_bytes


def read_one(settings: DatabaseSettings, at: TopicPartition) -> Message:
    """Read the message at an offset. Blocks; raises LetterNotFound when it is not there."""
    # The group is only a name here: nothing is committed and nobody joins.
    consumer: Consumer = kafka.consumer(settings, CLIENT_ID, CLIENT_ID)
    try:
        consumer.assign([at])
        message = consumer.poll(READ_SECONDS)
        if message is None or message.error() is not None or message.offset() != at.offset:
            raise LetterNotFound(f"Kafka does not have {at.topic}/{at.partition}/{at.offset}")
        return message
    finally:
        consumer.close()
