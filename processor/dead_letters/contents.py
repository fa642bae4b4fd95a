"""Reads the bytes of dead letters, from their topics or from the database."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from processor.dead_letters import headers
from processor.dead_letters.inspection import DeadLetterEntry, Stored
from runtime.kafka import clients
from runtime.kafka.offsets import NO_TOPIC
from runtime.kafka.records.headers import Headers, last_value, read_headers
from runtime.kafka.records.raw_headers import RawHeaders
from runtime.kafka.settings import GroupSettings

CLIENT_ID = "ordermesh-dead-letters"
READ_SECONDS = 5.0


class ContentMissing(Exception):
    """Kafka does not have the bytes of a dead letter, or did not send them."""


@dataclass(frozen=True)
class DeadLetterContent:
    """A dead letter with the event's key, value and headers; headers whose name is not UTF-8 are separate, as bytes."""

    entry: DeadLetterEntry
    key: bytes | None
    value: bytes | None
    headers: Headers
    byte_headers: RawHeaders
    # Of the record in the dead letter topic, besides those of the event.
    own_headers: Headers


class ContentReader:
    """Reads dead letters; connects to Kafka on first use."""

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def read(self, entry: DeadLetterEntry, stored: Stored) -> DeadLetterContent:
        """Return the bytes of a dead letter. Blocks; raises ContentMissing."""
        if stored.topic is None:
            of_event = by_name(headers.decode((stored.headers or "[]").encode()))
            return DeadLetterContent(entry, stored.key, stored.value, *of_event, [])
        # With its topic, a record has a partition and an offset.
        message = self._record(TopicPartition(stored.topic, stored.partition or 0, stored.offset or 0))
        own_of_event, own = headers.split(read_headers(message))
        if not is_from(own, entry):
            # The dead letter topic was recreated, and other records have these offsets.
            raise ContentMissing(f"Kafka no longer has the dead letter {entry.name}")
        readable, as_bytes = by_name(headers.decode(last_value(own, headers.RAW_HEADERS) or b"[]"))
        return DeadLetterContent(entry, message.key(), message.value(), own_of_event + readable, as_bytes, own)

    def _record(self, at: TopicPartition) -> Message:
        """Read the record at an offset. Blocks; raises ContentMissing when it is not there."""
        if self._consumer is None:
            # Nothing joins or commits to this group, and the user may describe no other.
            self._consumer = clients.consumer(self._settings, CLIENT_ID, self._settings.processor_group)
        self._consumer.assign([at])
        message = self._consumer.poll(READ_SECONDS)
        name = f"{at.topic}/{at.partition}/{at.offset}"
        if message is None:
            raise ContentMissing(f"Kafka did not send {name} within {READ_SECONDS:g} seconds")
        if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
            raise ContentMissing(f"{name} cannot be read from Kafka: {error.str()}")
        if error is not None or message.offset() != at.offset:
            raise ContentMissing(f"Kafka does not have {name}")
        return message


def is_from(own: Headers, entry: DeadLetterEntry) -> bool:
    """Return whether a dead letter's own headers name its place; those of earlier versions have no topic id."""
    named = {name.removeprefix(headers.PREFIX): (value or b"").decode(errors="replace") for name, value in own}
    topic, partition, offset, _ = entry.place
    wanted = {"topic": topic, "partition": str(partition), "offset": str(offset)}
    same_topic = named.get("topic-id", str(NO_TOPIC)) in (str(NO_TOPIC), str(entry.topic_id))
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
