"""The topic of order events: its id and offsets, and one reader for each stream of orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka import clients, offsets, topics
from runtime.kafka.records.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.kafka.renewed import Renewed
from runtime.kafka.settings import GroupSettings

TOPIC = topics.ORDER_EVENTS
CLIENT_ID = "gateway-watch"
ASK_SECONDS = 2.0
BATCH = 500
# The most that a reader prefetches.
QUEUED_KIB = 1024


class EventsDeleted(Exception):
    """The next events of a reader were deleted from the log."""


@dataclass(frozen=True)
class LogBounds:
    """The topic's id, which changes when it is recreated, and the first and end offset of each partition."""

    topic_id: bytes
    starts: tuple[int, ...]
    ends: tuple[int, ...]


class OrderTopic:
    """Reads the bounds of the log and opens readers. Raises KafkaException when Kafka does not answer."""

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._client = Renewed(lambda: clients.silent_admin(settings, CLIENT_ID))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="order-log")
        self._asking = asyncio.Lock()
        self._known: tuple[float, LogBounds] | None = None

    def close(self) -> None:
        """Cancel pending requests and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def bounds(self) -> LogBounds:
        """Return the current bounds; concurrent callers share a request, never one sent before the call."""
        called = time.monotonic()
        async with self._asking:
            if self._known is None or self._known[0] < called:
                asked = time.monotonic()
                bounds = await asyncio.get_running_loop().run_in_executor(self._thread, self._read_bounds)
                self._known = (asked, bounds)
            return self._known[1]

    def reader(self, next_offsets: Sequence[int]) -> OrderTopicReader:
        """Return a reader that starts at these offsets of all partitions."""
        return OrderTopicReader(self._settings, next_offsets)

    def _read_bounds(self) -> LogBounds:
        with self._client.requests() as client:
            found = offsets.describe_topics(client, [TOPIC], ASK_SECONDS)
            if TOPIC not in found:
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
            partitions = found[TOPIC].partitions_of(TOPIC)
            starts = offsets.log_start_offsets(client, partitions, ASK_SECONDS)
            ends = offsets.last_stable_offsets(client, partitions, ASK_SECONDS)
        return LogBounds(
            topic_id=found[TOPIC].topic_id.bytes,
            starts=tuple(starts[each] for each in partitions),
            ends=tuple(ends[each] for each in partitions),
        )


class OrderTopicReader:
    """Reads all partitions without a group, in a thread of its own; connects with the first read."""

    def __init__(self, settings: GroupSettings, next_offsets: Sequence[int]) -> None:
        self._settings = settings
        self._next = list(next_offsets)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._consumer: Consumer | None = None
        self._unreadable: UnreadableBatches | None = None

    async def read(self, wait_seconds: float) -> list[Message]:
        """Return the next events, unreadable records and partition ends, none if none arrive in time.

        Raises EventsDeleted when the next events were deleted, KafkaException when the log cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, wait_seconds)

    def close(self) -> None:
        """Close the consumer and its thread after the current read; does not block."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _read(self, wait_seconds: float) -> list[Message]:
        if self._consumer is None or self._unreadable is None:
            self._consumer = self._open()
            self._unreadable = UnreadableBatches(self._consumer, lambda partition: self._next[partition[1]])
        first = self._consumer.poll(wait_seconds)
        if first is None:
            return []
        # Without a timeout `consume` would wait for a full batch; 0 returns what has arrived.
        messages = self._unreadable.with_records([first, *self._consumer.consume(BATCH - 1, 0)])
        for message in messages:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                continue
            if error is not None and not is_unreadable(message):
                raise EventsDeleted if error.code() == KafkaError._AUTO_OFFSET_RESET else KafkaException(error)
            self._next[message.partition() or 0] = (message.offset() or 0) + 1
        return messages

    def _open(self) -> Consumer:
        own: clients.Config = {
            # Offsets after the last event may hold no record.
            "enable.partition.eof": True,
            # Deleted events are an error, not skipped.
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": QUEUED_KIB,
        }
        # The user may describe no other group.
        consumer = clients.silent_consumer(self._settings, CLIENT_ID, self._settings.processor_group, own)
        consumer.assign([TopicPartition(TOPIC, number, offset) for number, offset in enumerate(self._next)])
        return consumer

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
