"""Reads topics without a consumer group: existing messages, then new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import typer
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka import clients, offsets
from runtime.kafka.offsets import Partition
from runtime.kafka.records.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.kafka.settings import GroupSettings

NAME = "ordermesh-tail"
TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.2
BATCH = 500
SILENT_POLLS = 50
FATAL_ERRORS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL)


@dataclass(frozen=True, slots=True)
class Start:
    """Where to start: at the end, at a time, `last` messages before the end, else at the beginning."""

    end: bool = False
    time_ms: int | None = None
    last: int | None = None


class TopicReader:
    """Reads topics from a start on. Raises KafkaException when Kafka does not answer."""

    def __init__(self, settings: GroupSettings, names: list[str], start: Start) -> None:
        self._admin = clients.admin(settings, NAME)
        partitions = self._partitions(names)
        # Later messages belong to open transactions.
        self._ends = offsets.last_stable_offsets(self._admin, partitions, TIMEOUT_SECONDS)
        self._firsts = offsets.log_start_offsets(self._admin, partitions, TIMEOUT_SECONDS)
        self._start = start
        own: clients.Config = {"enable.partition.eof": True, "auto.offset.reset": "earliest"}
        # The user may describe no other group.
        self._consumer = clients.silent_consumer(settings, NAME, settings.processor_group, own)
        self._starts: Mapping[Partition, int] = {}
        self._unreadable = UnreadableBatches(self._consumer, lambda place: self._starts.get(place, 0))

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def existing(self) -> Iterator[Message]:
        """Yield the messages from the start to the end of the topics at the time of the constructor.

        With `last`, yields so many messages of each partition, in any order.
        """
        if self._start.last is None:
            yield from self._between(self._first_offsets(), self._ends)
        elif self._start.last > 0:
            yield from self._latest(self._start.last)

    def _latest(self, wanted: int) -> Iterator[Message]:
        """Yield the latest messages of each partition; reads further back where offsets have no messages."""
        missing, ends, width = dict.fromkeys(self._ends, wanted), self._ends, wanted
        while ends:
            starts = {place: max(self._firsts[place], end - width) for place, end in ends.items()}
            for message in self._between(starts, ends):
                missing[partition_of(message)] -= 1
                yield message
            ends = {place: at for place, at in starts.items() if missing[place] > 0 and at > self._firsts[place]}
            width *= 2

    def _between(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> Iterator[Message]:
        """Yield the messages from starts to ends, exclusive."""
        left = {place for place, end in ends.items() if starts[place] < end}
        self._assign({place: starts[place] for place in left})
        silent = 0
        while left:
            messages = self._read()
            silent = 0 if messages or self._unreadable.searching else silent + 1
            if silent == SILENT_POLLS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no messages from the brokers"))
            for message in messages:
                place, offset = partition_of(message), message.offset() or 0
                if is_end(message) or offset >= ends[place] - 1:
                    left.discard(place)
                if not is_end(message) and offset < ends[place]:
                    yield message

    def new(self) -> Iterator[Message | None]:
        """Yield later messages without an end; None when there was none for POLL_SECONDS."""
        self._assign(self._ends)
        while True:
            messages = [message for message in self._read() if not is_end(message)]
            yield from messages
            if not messages:
                yield None

    def _assign(self, places: Mapping[Partition, int]) -> None:
        self._starts = places
        self._unreadable.forget()
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])

    def _read(self) -> list[Message]:
        """Return the next messages and ends of partitions. Raises KafkaException for fatal errors."""
        first = self._consumer.poll(POLL_SECONDS)
        messages = [] if first is None else self._unreadable.with_records([first, *self._consumer.consume(BATCH, 0)])
        for message in messages:
            error = message.error()
            if error is not None and error.code() in FATAL_ERRORS:
                raise KafkaException(error)
        return [one for one in messages if one.error() is None or is_end(one) or is_unreadable(one)]

    def _partitions(self, names: list[str]) -> list[Partition]:
        known_topics = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        for name in names:
            if name not in known_topics:
                known = ", ".join(sorted(known for known in known_topics if not known.startswith("__"))) or "none"
                raise typer.BadParameter(f"there is no topic {name!r}; available: {known}")
        return [(name, number) for name in names for number in known_topics[name].partitions]

    def _first_offsets(self) -> Mapping[Partition, int]:
        if self._start.end:
            return self._ends
        if self._start.time_ms is None:
            return self._firsts
        asked = offsets.offsets_at(self._admin, self._ends, self._start.time_ms, TIMEOUT_SECONDS)
        # An offset below 0 means that all messages are older.
        return {place: self._ends[place] if offset < 0 else offset for place, offset in asked.items()}


def is_end(message: Message) -> bool:
    """Return whether a message marks the end of its partition."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def partition_of(message: Message) -> Partition:
    """Return the partition of a message or of an end."""
    return message.topic() or "", message.partition() or 0
