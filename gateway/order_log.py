"""The log of orders as a watcher needs it: which topic it is, where it begins and ends, and a reader of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, its stub forgets it

from runtime import kafka
from runtime.settings import Settings

TOPIC = kafka.ORDER_EVENTS
ASK_SECONDS = 2.0
BATCH = 500
# What a reader holds that nobody asked for yet.
QUEUED_KIB = 1024


class EventsDeleted(Exception):
    """What a reader wanted to read next is not in the log any more."""


@dataclass(frozen=True)
class Extent:
    """Where the topic begins and ends, by partition, and Kafka's id of it: one made again has another."""

    topic_id: bytes
    begins: tuple[int, ...]
    ends: tuple[int, ...]


class OrderLog:
    """Answers where the log is and opens readers; its questions raise KafkaException when Kafka does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        config: dict[str, Any] = {
            **kafka.base_config(settings, "gateway-watch"),
            "log_level": 0,
            "error_cb": lambda error: None,
        }
        self._client = AdminClient(config)
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

    def reader(self, offsets: Sequence[int]) -> LogReader:
        """Return a reader that begins at these offsets of all partitions."""
        return LogReader(self._settings, offsets)

    def _extent(self) -> Extent:
        asked = self._client.describe_topics(TopicCollection([TOPIC]), request_timeout=ASK_SECONDS)
        topic = asked[TOPIC].result(ASK_SECONDS)
        count = len(topic.partitions)
        return Extent(
            topic_id=id_bytes(topic.topic_id),
            begins=self._offsets(count, OffsetSpec.earliest()),  # type: ignore[no-untyped-call]  # the library has no types here
            ends=self._offsets(count, OffsetSpec.latest()),  # type: ignore[no-untyped-call]  # the library has no types here
        )

    def _offsets(self, count: int, at: OffsetSpec) -> tuple[int, ...]:
        asked = {TopicPartition(TOPIC, number): at for number in range(count)}
        answers = self._client.list_offsets(asked, request_timeout=ASK_SECONDS)
        found = {one.partition: future.result(ASK_SECONDS).offset for one, future in answers.items()}
        return tuple(found[number] for number in range(count))


def id_bytes(topic_id: Any) -> bytes:
    """Return a topic's id as 16 bytes; the stub of its class forgets its methods."""
    halves = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    return b"".join(half.to_bytes(8, "big", signed=True) for half in halves)


class LogReader:
    """Reads all partitions without a group, in a thread of its own, and only when it is asked to."""

    def __init__(self, settings: Settings, offsets: Sequence[int]) -> None:
        self._settings = settings
        self._next = list(offsets)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._consumer: Consumer | None = None

    async def read(self, wait_seconds: float) -> list[Message]:
        """Return the next events, none when there are none in time.

        Raises EventsDeleted when the log lost what comes next, KafkaException when it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, wait_seconds)

    def close(self) -> None:
        """End the consumer and its thread once the read in hand is over; returns at once."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _read(self, wait_seconds: float) -> list[Message]:
        if self._consumer is None:
            self._consumer = self._open()
        first = self._consumer.poll(wait_seconds)
        if first is None:
            return []
        # `consume` would wait until it has all of them, so it is asked for what is there already.
        messages = [first, *self._consumer.consume(BATCH - 1, 0)]
        for message in messages:
            error = message.error()
            if error is not None:
                raise EventsDeleted if error.code() == KafkaError._AUTO_OFFSET_RESET else KafkaException(error)
            self._next[message.partition() or 0] = (message.offset() or 0) + 1
        return messages

    def _open(self) -> Consumer:
        consumer = Consumer(
            {
                **kafka.base_config(self._settings, "gateway-watch"),
                # The library wants a name; nothing is joined or committed.
                "group.id": "ordermesh-watch",
                "enable.auto.commit": False,
                # Deleted events are told, not skipped.
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": QUEUED_KIB,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        consumer.assign([TopicPartition(TOPIC, number, offset) for number, offset in enumerate(self._next)])
        return consumer

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
