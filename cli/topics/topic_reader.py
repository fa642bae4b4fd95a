"""Reads topics by their partitions, as a member of no group: what they hold now, then what comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import typer
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka import clients, offsets
from runtime.kafka.offsets import Partition
from runtime.kafka.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.settings import Settings

NAME = "ordermesh-tail"
TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.2
BATCH = 500
SILENT_POLLS = 50
REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL)


@dataclass(frozen=True, slots=True)
class Start:
    """Where to start: at the end, at a time, so many events before the end, else at the beginning."""

    end: bool = False
    time_ms: int | None = None
    last: int | None = None


class TopicReader:
    """Reads topics from a place on. Raises KafkaException when Kafka does not answer."""

    def __init__(self, settings: Settings, names: list[str], start: Start) -> None:
        self._admin = clients.admin(settings, NAME)
        partitions = self._partitions(names)
        # Behind them stands what a transaction that is still open holds back.
        self._ends = offsets.last_stable_offsets(self._admin, partitions, TIMEOUT_SECONDS)
        self._firsts = offsets.log_start_offsets(self._admin, partitions, TIMEOUT_SECONDS)
        self._start = start
        own: clients.Config = {"enable.partition.eof": True, "auto.offset.reset": "earliest"}
        self._consumer = clients.silent_consumer(settings, NAME, NAME, own)
        self._begins: Mapping[Partition, int] = {}
        self._unreadable = UnreadableBatches(self._consumer, lambda place: self._begins.get(place, 0))

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def held(self) -> Iterator[Message]:
        """Return what is between the start and the end that the topics had when reading began.

        Of so many latest events, those of each partition come, in no order.
        """
        if self._start.last is None:
            yield from self._between(self._begin(), self._ends)
        elif self._start.last > 0:
            yield from self._latest(self._start.last)

    def _latest(self, wanted: int) -> Iterator[Message]:
        """Return the latest events of each partition, from further back where offsets hold none."""
        missing, ends, width = dict.fromkeys(self._ends, wanted), self._ends, wanted
        while ends:
            starts = {place: max(self._firsts[place], end - width) for place, end in ends.items()}
            for message in self._between(starts, ends):
                missing[place_of(message)] -= 1
                yield message
            ends = {place: at for place, at in starts.items() if missing[place] > 0 and at > self._firsts[place]}
            width *= 2

    def _between(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> Iterator[Message]:
        """Return the events from starts to before ends."""
        left = {place for place, end in ends.items() if starts[place] < end}
        self._assign({place: starts[place] for place in left})
        silent = 0
        while left:
            messages = self._read()
            silent = 0 if messages or self._unreadable.searching else silent + 1
            if silent == SILENT_POLLS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the brokers send nothing"))
            for message in messages:
                place, offset = place_of(message), message.offset() or 0
                if is_end(message) or offset >= ends[place] - 1:
                    left.discard(place)
                if not is_end(message) and offset < ends[place]:
                    yield message

    def coming(self) -> Iterator[Message | None]:
        """Return what comes after that, without an end; None when nothing came for a moment."""
        self._assign(self._ends)
        while True:
            messages = [message for message in self._read() if not is_end(message)]
            yield from messages
            if not messages:
                yield None

    def _assign(self, places: Mapping[Partition, int]) -> None:
        self._begins = places
        self._unreadable.forget()
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])

    def _read(self) -> list[Message]:
        """Return what is there, ends of partitions among it. Raises KafkaException for what does not pass."""
        first = self._consumer.poll(POLL_SECONDS)
        messages = [] if first is None else self._unreadable.with_records([first, *self._consumer.consume(BATCH, 0)])
        for message in messages:
            error = message.error()
            if error is not None and error.code() in REFUSALS:
                raise KafkaException(error)
        return [one for one in messages if one.error() is None or is_end(one) or is_unreadable(one)]

    def _partitions(self, names: list[str]) -> list[Partition]:
        there = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        for name in names:
            if name not in there:
                known = ", ".join(sorted(known for known in there if not known.startswith("__"))) or "none"
                raise typer.BadParameter(f"there is no topic {name!r}; there are: {known}")
        return [(name, number) for name in names for number in there[name].partitions]

    def _begin(self) -> Mapping[Partition, int]:
        if self._start.end:
            return self._ends
        if self._start.time_ms is None:
            return self._firsts
        asked = offsets.offsets_at(self._admin, self._ends, self._start.time_ms, TIMEOUT_SECONDS)
        # Where nothing is as young as that, the answer is no offset.
        return {place: self._ends[place] if offset < 0 else offset for place, offset in asked.items()}


def is_end(message: Message) -> bool:
    """Tell whether a message only says that its partition ends here."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def place_of(message: Message) -> Partition:
    """Return the partition that a message, or the end of one, is of."""
    return message.topic() or "", message.partition() or 0
