"""Reads topics by their partitions, as a member of no group: what they hold now, then what comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # exported, its stub forgets it

from runtime import kafka
from runtime.settings import Settings

NAME = "ordermesh-tail"
TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.2
BATCH = 500
SILENT_POLLS = 50
REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL)
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Start:
    """Where to start: at the end, at a time, so many events before the end, else at the beginning."""

    end: bool = False
    time_ms: int | None = None
    last: int | None = None


class TopicReader:
    """Reads topics from a place on. Raises KafkaException when Kafka does not answer."""

    def __init__(self, settings: Settings, topics: list[str], start: Start) -> None:
        self._admin = kafka.admin(settings, NAME)
        partitions = self._partitions(topics)
        self._ends = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the library has no types here
        self._starts = self._begin(partitions, start)
        self._left = {place for place, end in self._ends.items() if self._starts[place] < end}
        # The library wants the name of a group; nothing is joined or committed.
        quiet = {"group.id": NAME, "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0}
        config = {**kafka.base_config(settings, NAME), **quiet, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**config, "error_cb": lambda error: None})
        self._assign(self._starts)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def held(self) -> Iterator[Message]:
        """Return what is between the start and the end that the topics had when reading began."""
        silent = 0
        while self._left:
            messages = self._read()
            silent = 0 if messages else silent + 1
            if silent == SILENT_POLLS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the brokers send nothing"))
            for message in messages:
                place = message.topic() or "", message.partition() or 0
                if message.error() is not None or (message.offset() or 0) >= self._ends[place] - 1:
                    self._left.discard(place)
                if message.error() is None and (message.offset() or 0) < self._ends[place]:
                    yield message

    def coming(self) -> Iterator[Message | None]:
        """Return what comes after that, without an end; None when nothing came for a moment."""
        self._assign(self._ends)
        while True:
            messages = [message for message in self._read() if message.error() is None]
            yield from messages
            if not messages:
                yield None

    def _assign(self, places: Mapping[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])

    def _read(self) -> list[Message]:
        """Return what is there, ends of partitions among it. Raises KafkaException for what does not pass."""
        first = self._consumer.poll(POLL_SECONDS)
        messages = [] if first is None else [first, *self._consumer.consume(BATCH, 0)]
        for message in messages:
            error = message.error()
            if error is not None and error.code() in REFUSALS:
                raise KafkaException(error)
        return [one for one in messages if (bad := one.error()) is None or bad.code() == KafkaError._PARTITION_EOF]

    def _partitions(self, topics: list[str]) -> list[Partition]:
        there = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        for name in topics:
            if name not in there:
                known = ", ".join(sorted(known for known in there if not known.startswith("__"))) or "none"
                raise typer.BadParameter(f"there is no topic {name!r}; there are: {known}")
        return [(name, number) for name in topics for number in there[name].partitions]

    def _begin(self, partitions: list[Partition], start: Start) -> dict[Partition, int]:
        if start.end:
            return dict(self._ends)
        if start.time_ms is not None:
            asked = self._offsets(partitions, OffsetSpec.for_timestamp(start.time_ms))
            # Where nothing is as young as that, the answer is no offset.
            return {place: self._ends[place] if offset < 0 else offset for place, offset in asked.items()}
        first = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # see above
        if start.last is None:
            return first
        return {place: max(offset, self._ends[place] - start.last) for place, offset in first.items()}

    def _offsets(self, partitions: list[Partition], at: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(*place): at for place in partitions}
        answers = self._admin.list_offsets(asked, request_timeout=TIMEOUT_SECONDS)
        return {(one.topic, one.partition): future.result(TIMEOUT_SECONDS).offset for one, future in answers.items()}
