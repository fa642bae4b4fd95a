"""Passes batches that the client cannot read, as one that decompresses to more than it takes; their records are told.

The client returns the same error at such a batch for ever, with the batch's first offset, and does not say where the
batch ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka.offsets import Partition
from runtime.telemetry.logging import logger

# What is wrong is in the batch, not on the way to it.
CODES = frozenset(
    (
        KafkaError._BAD_COMPRESSION,
        KafkaError._BAD_MSG,
        KafkaError._NOT_IMPLEMENTED,
        KafkaError._UNDERFLOW,
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
    )
)
# A broken transfer does not repeat so often.
MAX_FAILURES = 3
# What is told at once of a batch with more records.
TOLD_RECORDS = 1_000
NO_TIME = (0, -1)


@dataclass(slots=True)
class Search:
    """What is known of a batch that cannot be read.

    It begins at `base`, is told from `first` on, and ends between `inside` and `outside`, of which `probe` is tried.
    """

    base: int
    first: int
    failures: int = 0
    inside: int = -1
    outside: int | None = None
    probe: int | None = None

    @property
    def ends(self) -> bool:
        """Whether the end is found."""
        return self.outside == self.inside + 1

    def choose(self, log_end: int) -> int:
        """Return the next offset to try: further and further behind the first, then between what is known."""
        if self.outside is None:
            step = 2 * (self.inside - self.first) + 1
            self.probe = max(min(self.inside + step, log_end), self.inside + 1)
        else:
            self.probe = (self.inside + self.outside) // 2
        return self.probe


class UnreadableBatches:
    """Knows the batches that a consumer cannot read; `begin_of` says where the reading of a partition begins."""

    def __init__(self, consumer: Consumer, begin_of: Callable[[Partition], int]) -> None:
        self._consumer, self._begin_of = consumer, begin_of
        self._searches: dict[Partition, Search] = {}

    @property
    def searching(self) -> bool:
        """Whether the end of a batch is looked for, so that silence says nothing."""
        return bool(self._searches)

    def forget(self, partitions: Collection[Partition] | None = None) -> None:
        """Begin anew in these partitions, in all without."""
        for place in list(self._searches) if partitions is None else partitions:
            self._searches.pop(place, None)

    def told(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages; an unreadable batch becomes a message with the error for each of its records."""
        if not self._searches and not any(is_unreadable(message) for message in messages):
            return list(messages)
        found: list[Message] = []
        moved: set[Partition] = set()
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            if place in moved:
                # Read before the consumer was moved.
                continue
            if is_unreadable(message):
                found += self._failed(place, message, moved)
            elif not self._is_behind(place, message, moved):
                found.append(message)
        return found

    def _failed(self, place: Partition, message: Message, moved: set[Partition]) -> list[Message]:
        base, search = message.offset() or 0, self._searches.get(place)
        if search is None or (search.probe is None and search.base != base):
            search = self._searches[place] = Search(base, max(base, self._begin_of(place), self._position(place)))
        if search.probe is not None and search.base != base:
            search.outside = search.probe
        elif search.probe is not None:
            search.inside = search.probe
        elif search.failures < MAX_FAILURES:
            search.failures += 1
            search.inside = search.first
            if search.failures < MAX_FAILURES:
                return []
        return self._go_on(place, search, message.error(), moved)

    def _is_behind(self, place: Partition, message: Message, moved: set[Partition]) -> bool:
        """Tell whether a message, or the end of the log, only shows that a batch that cannot be read ends before."""
        search, error = self._searches.get(place), message.error()
        if search is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
            return False
        if search.probe is None:
            del self._searches[place]
            return False
        search.outside = search.probe
        self._go_on(place, search, None, moved)
        return True

    def _go_on(
        self, place: Partition, search: Search, error: KafkaError | None, moved: set[Partition]
    ) -> list[Message]:
        """Try another offset, or return records of the batch once its end is known."""
        moved.add(place)
        try:
            if not search.ends:
                self._seek(place, search.choose(self._log_end(place)))
            elif error is None or search.probe is not None:
                # The error is asked for once more, to be told.
                search.probe = None
                self._seek(place, search.first)
            else:
                return self._tell(place, search, error)
        except KafkaException:
            # The partition was taken away, or is about to be.
            self.forget([place])
        return []

    def _tell(self, place: Partition, search: Search, error: KafkaError) -> list[Message]:
        end = min(search.inside + 1, search.first + TOLD_RECORDS)
        self._seek(place, end)
        records = [Message(*place, offset, error=error, timestamp=NO_TIME) for offset in range(search.first, end)]
        topic, partition = place
        logger().error(
            "a batch cannot be read",
            topic=topic,
            partition=partition,
            offset=search.first,
            records=len(records),
            error=error.str(),
        )
        search.first = end
        if end > search.inside:
            del self._searches[place]
        return records

    def _seek(self, place: Partition, offset: int) -> None:
        self._consumer.seek(TopicPartition(*place, offset))

    def _position(self, place: Partition) -> int:
        return int(self._consumer.position([TopicPartition(*place)])[0].offset)

    def _log_end(self, place: Partition) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1])


def is_unreadable(message: Message) -> bool:
    """Tell whether a message is the client's error about a batch."""
    error = message.error()
    return error is not None and error.code() in CODES and (message.offset() or 0) >= 0 and message.topic() is not None
