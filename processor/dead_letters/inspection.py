"""The desk of dead letters: lists them, shows one byte for byte, sends them again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from processor.counting import transaction as store
from processor.dead_letters import writer
from processor.events.batch import Place
from processor.events.decode import Reason
from processor.settings import DatabaseSettings
from runtime.kafka import clients, size_limits, topics
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.headers import Headers, last_value, read_headers
from runtime.kafka.offsets import NO_TOPIC
from runtime.kafka.raw_headers import RawHeaders
from runtime.postgres.queries import Queries

SQL = Queries("processor.dead_letters", "dead_letters.sql")
CLIENT_ID = "ordermesh-dead-letters"
READ_SECONDS = 10.0
PLACE_RULE = "must be topic/partition/offset, such as order-events/3/1042, as `ordermesh dlq list` shows it"


PLACE = re.compile(r"(?P<topic>[^/]+)/(?P<partition>[0-9]{1,9})/(?P<offset>[0-9]{1,18})(/(?P<topic_id>[0-9a-f-]{36}))?")


class LetterPlace(NamedTuple):
    """Where a dead letter's event was read; with the topic's id when a later topic of the name has one there too."""

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None = None

    @property
    def name(self) -> str:
        """The place as `parse_place` reads it."""
        return "/".join(str(part) for part in self if part is not None)


class LetterNotFound(Exception):
    """No dead letter came from this place, or its bytes cannot be had from Kafka."""


class LetterNotSent(Exception):
    """Kafka did not take the event; its dead letter stays as it is."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known about an event that could not be counted."""

    place: LetterPlace
    event_id: str | None
    reason: str
    detail: str
    parked_at: datetime
    redriven_at: datetime | None

    @property
    def name(self) -> str:
        """The place as `parse_place` reads it."""
        return self.place.name


@dataclass(frozen=True, slots=True)
class LetterContent:
    """A dead letter with the event's own key, value and headers; names that are not UTF-8 stand apart, as bytes."""

    letter: DeadLetter
    topic_id: UUID
    key: bytes | None
    value: bytes | None
    headers: Headers
    byte_headers: RawHeaders


def parse_place(text: str) -> LetterPlace:
    """Read the name of a dead letter. Raises ValueError."""
    found = PLACE.fullmatch(text)
    if found is None or found["topic"] not in topics.EVENT_TOPICS:
        raise ValueError(f"{text!r} {PLACE_RULE}")
    topic_id = None if found["topic_id"] is None else UUID(found["topic_id"])
    return LetterPlace(found["topic"], int(found["partition"]), int(found["offset"]), topic_id)


def list_dead_letters(settings: DatabaseSettings, limit: int, *, redriven: bool = False) -> list[DeadLetter]:
    """List dead letters, the latest first; with `redriven` those too that were sent again. Raises psycopg.Error."""
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        rows = connection.execute(SQL.list_letters, {"limit": limit, "redriven": redriven}).fetchall()
    return [DeadLetter(LetterPlace(*row[:4]), *row[4:]) for row in rows]


def show(settings: DatabaseSettings, place: Place | LetterPlace) -> LetterContent:
    """Return one dead letter with its bytes. Raises LetterNotFound, psycopg.Error."""
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        return content(settings, connection, LetterPlace(*place))


def redrive(
    settings: DatabaseSettings,
    places: Sequence[Place | LetterPlace],
    on_sent: Callable[[DeadLetter], None] = lambda letter: None,
) -> list[DeadLetter]:
    """Send events again to the topics they came from, call `on_sent` after each, and return their letters.

    Headers whose name is not UTF-8 are left out: no worker could read them. One that was sent twice is counted once.
    Raises LetterNotFound or LetterNotSent at the first that fails; those before it are done. Raises psycopg.Error.
    """
    done = []
    overrides = {**ONE_BY_ONE, **size_limits.AS_LARGE_AS_THE_BROKER_TAKES}
    producer: Outbound[LetterPlace] = Outbound(clients.producer(settings, CLIENT_ID, overrides))
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        for place in (LetterPlace(*each) for each in places):
            found = content(settings, connection, place)
            if found.letter.reason == Reason.UNREADABLE_BATCH:
                raise LetterNotSent(f"{found.letter.name} was not sent: its bytes could never be read")
            send(producer, found)
            mark_redriven(connection, place._replace(topic_id=found.topic_id))
            done.append(found.letter)
            on_sent(found.letter)
    return done


def send(producer: Outbound[LetterPlace], found: LetterContent) -> None:
    """Send one event to the topic it came from. Blocks; raises LetterNotSent."""
    place, deadline = found.letter.place, time.monotonic() + READ_SECONDS
    try:
        producer.put(place, place[0], found.value, found.key, found.headers, deadline)
        producer.wait(deadline)
    except NotAcknowledged as error:
        raise LetterNotSent(f"{found.letter.name} was not sent: {error}") from error
    if place in producer.errors:
        raise LetterNotSent(f"{found.letter.name} was not sent: {producer.errors[place].str()}")


def mark_redriven(connection: store.Connection, place: LetterPlace) -> None:
    """Note that the event was sent again."""
    connection.execute(SQL.mark_redriven, place._asdict())


def content(settings: DatabaseSettings, connection: psycopg.Connection, place: LetterPlace) -> LetterContent:
    """Return the letter of a place with its bytes."""
    row = connection.execute(SQL.find_letter, place._asdict()).fetchone()
    if row is None:
        raise LetterNotFound(f"no dead letter came from {place.name}")
    letter, topic_id = DeadLetter(place, *row[:5]), row[5]
    letter_topic, letter_partition, letter_offset, key, value, headers = row[6:]
    if letter_topic is None:
        return LetterContent(letter, topic_id, key, value, *parted(writer.decoded(headers.encode())))
    message = read_one(settings, TopicPartition(letter_topic, letter_partition, letter_offset))
    events, own = split_headers(message)
    if not is_from(own, place._replace(topic_id=topic_id)):
        # The topic of the dead letters was made again, and others took their places.
        raise LetterNotFound(f"Kafka does not have the letter of {place.name} any more")
    readable, as_bytes = parted(writer.decoded(last_value(own, writer.RAW_HEADERS) or b"[]"))
    return LetterContent(letter, topic_id, message.key(), message.value(), events + readable, as_bytes)


def is_from(own: Headers, place: LetterPlace) -> bool:
    """Tell whether a letter says that it is of a place; one of an earlier version does not say of which topic id."""
    said = {name.removeprefix(writer.PREFIX): (value or b"").decode(errors="replace") for name, value in own}
    wanted = {"topic": place.topic, "partition": str(place.partition), "offset": str(place.offset)}
    same_topic = said.get("topic-id", str(NO_TOPIC)) in (str(NO_TOPIC), str(place.topic_id))
    return same_topic and all(said.get(name) == value for name, value in wanted.items())


def split_headers(message: Message) -> tuple[Headers, Headers]:
    """Return the headers that a letter's event had, and those of the letter behind them."""
    headers = read_headers(message)
    names = [name for name, _ in headers]
    end = len(names) - names[::-1].index(writer.FIRST_OWN) - 1 if writer.FIRST_OWN in names else len(names)
    return headers[:end], headers[end:]


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
    consumer: Consumer = clients.consumer(settings, CLIENT_ID, CLIENT_ID)
    try:
        consumer.assign([at])
        message = consumer.poll(READ_SECONDS)
        name = f"{at.topic}/{at.partition}/{at.offset}"
        if message is None:
            raise LetterNotFound(f"Kafka did not send {name} within {READ_SECONDS:g} seconds")
        if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
            raise LetterNotFound(f"Kafka's {name} cannot be read: {error.str()}")
        if error is not None or message.offset() != at.offset:
            raise LetterNotFound(f"Kafka does not have {name}")
        return message
    finally:
        consumer.close()
