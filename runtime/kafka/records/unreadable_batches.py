"""Skips batches that the client cannot read, such as one that decompresses to too much, and reports their records.

At such a batch the client returns the same error on every read, with the batch's first offset, and does not report
where the batch ends. The end is found by seeking: exponential steps, then a binary search.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka.offsets import Partition
from runtime.telemetry.logging import logger

# The error is in the batch, not in its transfer.
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
# A transfer error is not repeated this often.
MAX_FAILURES = 3
# The number of records of a batch that are reported at a time.
RECORDS_AT_A_TIME = 1_000
NO_TIME = (0, -1)


@dataclass(slots=True)
class Search:
    """The search for the end of a batch that cannot be read.

    The batch starts at `base`, its records are reported from `first`, and it ends between `inside` and `outside`, where
    the offset `probe` is tried.
    """

    base: int
    first: int
    failures: int = 0
    inside: int = -1
    outside: int | None = None
    probe: int | None = None

    @property
    def end_is_known(self) -> bool:
        """Whether the end is found."""
        return self.outside == self.inside + 1

    def choose(self, log_end: int) -> int:
        """Return the next offset to try: exponentially further after the first, then by binary search."""
        if self.outside is None:
            step = 2 * (self.inside - self.first) + 1
            self.probe = max(min(self.inside + step, log_end), self.inside + 1)
        else:
            self.probe = (self.inside + self.outside) // 2
        return self.probe


class UnreadableBatches:
    """The unreadable batches of a consumer; `next_offset` returns the position from which a partition is read."""

    def __init__(self, consumer: Consumer, next_offset: Callable[[Partition], int]) -> None:
        self._consumer, self._next_offset = consumer, next_offset
        self._searches: dict[Partition, Search] = {}

    @property
    def searching(self) -> bool:
        """Whether the end of a batch is being searched, so that reads without messages mean nothing."""
        return bool(self._searches)

    def forget(self, partitions: Collection[Partition] | None = None) -> None:
        """Forget the searches in these partitions, in all partitions if none is given."""
        for partition in list(self._searches) if partitions is None else partitions:
            self._searches.pop(partition, None)

    def with_records(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages; an unreadable batch becomes a message with the error for each of its records."""
        if not self._searches and not any(is_unreadable(message) for message in messages):
            return list(messages)
        found: list[Message] = []
        moved: set[Partition] = set()
        for message in messages:
            partition = (message.topic() or "", message.partition() or 0)
            if partition in moved:
                # Read before the seek.
                continue
            if is_unreadable(message):
                found += self._failed(partition, message, moved)
            elif not self._is_behind(partition, message, moved):
                found.append(message)
        return found

    def _failed(self, partition: Partition, message: Message, moved: set[Partition]) -> list[Message]:
        base, search = message.offset() or 0, self._searches.get(partition)
        if search is None or (search.probe is None and search.base != base):
            search = self._searches[partition] = Search(
                base, max(base, self._next_offset(partition), self._position(partition))
            )
        if search.probe is not None and search.base != base:
            search.outside = search.probe
        elif search.probe is not None:
            search.inside = search.probe
        elif search.failures < MAX_FAILURES:
            search.failures += 1
            search.inside = search.first
            if search.failures < MAX_FAILURES:
                return []
        return self._continue(partition, search, message.error(), moved)

    def _is_behind(self, partition: Partition, message: Message, moved: set[Partition]) -> bool:
        """Return whether a message, or the end of the log, only shows that the unreadable batch ends before it."""
        search, error = self._searches.get(partition), message.error()
        if search is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
            return False
        if search.probe is None:
            del self._searches[partition]
            return False
        search.outside = search.probe
        self._continue(partition, search, None, moved)
        return True

    def _continue(
        self, partition: Partition, search: Search, error: KafkaError | None, moved: set[Partition]
    ) -> list[Message]:
        """Try another offset, or return records of the batch if its end is known."""
        moved.add(partition)
        try:
            if not search.end_is_known:
                self._seek(partition, search.choose(self._log_end(partition)))
            elif error is None or search.probe is not None:
                # Read the error once more, to report it.
                search.probe = None
                self._seek(partition, search.first)
            else:
                return self._report(partition, search, error)
        except KafkaException:
            # The partition was revoked, or is about to be.
            self.forget([partition])
        return []

    def _report(self, partition: Partition, search: Search, error: KafkaError) -> list[Message]:
        end = min(search.inside + 1, search.first + RECORDS_AT_A_TIME)
        self._seek(partition, end)
        records = [Message(*partition, offset, error=error, timestamp=NO_TIME) for offset in range(search.first, end)]
        topic, number = partition
        logger().error(
            "batch cannot be read",
            topic=topic,
            partition=number,
            offset=search.first,
            records=len(records),
            error=error,
        )
        search.first = end
        if end > search.inside:
            del self._searches[partition]
        return records

    def _seek(self, partition: Partition, offset: int) -> None:
        self._consumer.seek(TopicPartition(*partition, offset))

    def _position(self, partition: Partition) -> int:
        return int(self._consumer.position([TopicPartition(*partition)])[0].offset)

    def _log_end(self, partition: Partition) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)[1])


def is_unreadable(message: Message) -> bool:
    """Return whether a message is the client's error for a batch."""
    error = message.error()
    return error is not None and error.code() in CODES and (message.offset() or 0) >= 0 and message.topic() is not None
