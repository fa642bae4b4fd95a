"""The log of orders as a watcher needs it: which topic it is, where it begins and ends, and a reader of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.kafka import clients, offsets, topics
from runtime.kafka.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.settings import Settings

TOPIC = topics.ORDER_EVENTS
CLIENT_ID = "gateway-watch"
ASK_SECONDS = 2.0
BATCH = 500
# What a reader holds that nobody asked for yet.
QUEUED_KIB = 1024


class EventsDeleted(Exception):
    """What a reader wanted to read next is not in the log any more."""


@dataclass(frozen=True)
class Extent:
    """Where the topic begins and ends for readers, by partition, and Kafka's id of it: one made again has another."""

    topic_id: bytes
    begins: tuple[int, ...]
    ends: tuple[int, ...]


class OrderLog:
    """Answers where the log is and opens readers; its questions raise KafkaException when Kafka does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = clients.silent_admin(settings, CLIENT_ID)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="order-log")
        self._asking = asyncio.Lock()
        self._known: tuple[float, Extent] | None = None

    def close(self) -> None:
        """Give up what is asked and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def extent(self) -> Extent:
        """Return where the log is now; who waits for the same question shares its answer, never an older one."""
        came = time.monotonic()
        async with self._asking:
            if self._known is None or self._known[0] < came:
                asked = time.monotonic()
                extent = await asyncio.get_running_loop().run_in_executor(self._thread, self._extent)
                self._known = (asked, extent)
            return self._known[1]

    def reader(self, next_offsets: Sequence[int]) -> LogReader:
        """Return a reader that begins at these offsets of all partitions."""
        return LogReader(self._settings, next_offsets)

    def _extent(self) -> Extent:
        found = offsets.describe_topics(self._client, [TOPIC], ASK_SECONDS)
        if TOPIC not in found:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        places = found[TOPIC].partitions_of(TOPIC)
        begins = offsets.log_start_offsets(self._client, places, ASK_SECONDS)
        ends = offsets.last_stable_offsets(self._client, places, ASK_SECONDS)
        return Extent(
            topic_id=found[TOPIC].topic_id.bytes,
            begins=tuple(begins[place] for place in places),
            ends=tuple(ends[place] for place in places),
        )


class LogReader:
    """Reads all partitions without a group, in a thread of its own, and only when it is asked to."""

    def __init__(self, settings: Settings, next_offsets: Sequence[int]) -> None:
        self._settings = settings
        self._next = list(next_offsets)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._consumer: Consumer | None = None
        self._unreadable: UnreadableBatches | None = None

    async def read(self, wait_seconds: float) -> list[Message]:
        """Return the next events, records that cannot be read and ends of partitions, none when there are none in time.

        Raises EventsDeleted when the log lost what comes next, KafkaException when it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, wait_seconds)

    def close(self) -> None:
        """End the consumer and its thread once the read in hand is over; returns at once."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _read(self, wait_seconds: float) -> list[Message]:
        if self._consumer is None or self._unreadable is None:
            self._consumer = self._open()
            self._unreadable = UnreadableBatches(self._consumer, lambda place: self._next[place[1]])
        first = self._consumer.poll(wait_seconds)
        if first is None:
            return []
        # `consume` would wait until it has all of them, so it is asked for what is there already.
        messages = self._unreadable.told([first, *self._consumer.consume(BATCH - 1, 0)])
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
        consumer = clients.silent_consumer(self._settings, CLIENT_ID, "ordermesh-watch", own)
        consumer.assign([TopicPartition(TOPIC, number, offset) for number, offset in enumerate(self._next)])
        return consumer

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
