"""Reads the state of the Kafka log and of the processor's group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata, TopicMetadata
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition

from gateway.backends.topic_state import LogState, lag
from runtime.kafka import clients, offsets, topics
from runtime.kafka.renewed import Renewed
from runtime.kafka.settings import KafkaSettings

ReadPositions = Callable[[], Awaitable[Iterable[PartitionPosition]]]

CLIENT_ID = "gateway"
POLL_SECONDS = 0.05
# Reconciliations may wait long for Kafka: the status has a thread of its own, and so has that of every minute beside
# those that are asked for.
RECONCILING_THREADS = 3
SAMPLING_THREADS = 1


class Deadline:
    """The time left for several requests in a row."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_seconds(self) -> float:
        """Return the time left. Raises TimeoutError when there is none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class EventLog:
    """Requests to Kafka; each method raises KafkaException, or TimeoutError when Kafka does not answer in time."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._last_error = ""
        # Connection errors are reported once, as the state of a component, and not once per attempt.
        self._clients = Renewed(
            lambda: (
                clients.silent_admin(settings, CLIENT_ID, self._remember),
                clients.silent_consumer(settings, CLIENT_ID, group, on_error=self._remember),
            )
        )
        self._sampling = ThreadPoolExecutor(SAMPLING_THREADS, thread_name_prefix="kafka-sampling")
        self._reconciling = ThreadPoolExecutor(RECONCILING_THREADS, thread_name_prefix="kafka-reconciling")

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error.str()

    def close(self) -> None:
        """Cancel pending requests and end the threads."""
        for threads in (self._sampling, self._reconciling):
            threads.shutdown(wait=False, cancel_futures=True)

    def explain(self, error: KafkaException) -> str:
        """Return why Kafka does not answer: the last connection error is more specific than a time-out."""
        return self._last_error or str(error.args[0].str())

    async def state(self, timeout_seconds: float) -> LogState:
        """Return the current state of the log, without the offsets of partitions that have no leader."""
        return await self._run(self._sampling, timeout_seconds, only_led=True)

    async def wait_until_counted(
        self, patience_seconds: float, timeout_seconds: float, positions: ReadPositions
    ) -> int:
        """Wait until all records readable now are counted; return the number of records that are not counted."""
        give_up = time.monotonic() + patience_seconds
        target = await self._run(self._reconciling, timeout_seconds, only_led=False)
        while True:
            counted = target.counted(await positions())
            if not lag(target.starts, target.stable_ends, counted) or time.monotonic() > give_up:
                return lag(target.starts, target.ends, counted)
            await asyncio.sleep(POLL_SECONDS)

    async def _run(self, threads: ThreadPoolExecutor, timeout_seconds: float, *, only_led: bool) -> LogState:
        """Read in a thread; the time includes waiting for a free thread."""
        deadline = Deadline(timeout_seconds)
        reading = asyncio.get_running_loop().run_in_executor(threads, self._read, deadline, only_led)
        return await asyncio.wait_for(reading, timeout_seconds)

    def _read(self, deadline: Deadline, only_led: bool) -> LogState:
        with self._clients.requests() as (admin, consumer):
            return self._read_with(admin, consumer, deadline, only_led)

    def _read_with(self, admin: AdminClient, consumer: Consumer, deadline: Deadline, only_led: bool) -> LogState:
        metadata = read_metadata(admin, deadline)
        led = {(name, number) for name, topic in metadata.topics.items() for number in leading(topic)}
        names = (*topics.EVENT_TOPICS, *topics.DEAD_LETTER_TOPICS.values())
        found = offsets.describe_topics(admin, names, deadline.left_seconds())
        partitions = [each for name, topic in found.items() for each in topic.partitions_of(name)]
        partitions = [each for each in partitions if each in led or not only_led]
        of_events = [each for each in partitions if each[0] in topics.EVENT_TOPICS]
        every_partition = [each for topic in metadata.topics.values() for each in topic.partitions.values()]
        state = LogState(
            brokers=len(metadata.brokers),
            under_replicated=sum(len(each.isrs) < len(each.replicas) for each in every_partition),
            offline=sum(each.leader < 0 for each in every_partition),
            starts=offsets.log_start_offsets(admin, partitions, deadline.left_seconds()),
            ends=offsets.log_end_offsets(admin, partitions, deadline.left_seconds()),
            committed=offsets.committed_offsets(consumer, of_events, deadline.left_seconds()),
            stable_ends=offsets.last_stable_offsets(admin, partitions, deadline.left_seconds()),
            topic_ids={name: topic.topic_id.bytes for name, topic in found.items()},
        )
        self._last_error = ""
        return state


def read_metadata(admin: AdminClient, deadline: Deadline) -> ClusterMetadata:
    """Return the brokers and topics. Blocks; raises KafkaException, TimeoutError."""
    admin.poll(0)
    try:
        return admin.list_topics(timeout=deadline.left_seconds())
    except KafkaException:
        # The reason may have come meanwhile.
        admin.poll(0)
        raise


def leading(topic: TopicMetadata) -> Iterator[int]:
    """Yield the partitions of a topic that have a leader."""
    return (number for number, partition in topic.partitions.items() if partition.leader >= 0)
