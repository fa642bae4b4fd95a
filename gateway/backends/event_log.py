"""Reads how far Kafka's log and the processor's group are, with clients that live as long as the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition

from runtime.kafka import clients, offsets, topics
from runtime.kafka.offsets import Partition
from runtime.settings import Settings

Answer = TypeVar("Answer")
Offsets = Mapping[Partition, int]
AskMarks = Callable[[], Awaitable[Iterable[PartitionPosition]]]

CLIENT_ID = "gateway"
POLL_SECONDS = 0.05
# A reconciliation waits for Kafka as long as it is told to: the status has a thread that none of them takes.
RECONCILING_THREADS = 2
SAMPLING_THREADS = 1


class Deadline:
    """Tells how much is left of some time, for one question after the other."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_seconds(self) -> float:
        """Return what is left. Raises TimeoutError when that is nothing."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True)
class LogState:
    """Where the log is: brokers that are up, first and end offsets of every topic of ours, the group's commits.

    Readers come no further than `readable_ends` while a transaction is open.
    """

    brokers: int
    begins: Offsets
    ends: Offsets
    committed: Offsets
    readable_ends: Offsets = field(default_factory=dict)
    topic_ids: Mapping[str, bytes] = field(default_factory=dict)

    def counted(self, marks: Iterable[PartitionPosition]) -> Offsets:
        """Return how far marks say that partitions are counted, those of the topics that are there now."""
        return {
            (mark.topic, mark.partition): mark.next_offset
            for mark in marks
            if mark.topic_id == self.topic_ids.get(mark.topic)
        }

    @property
    def end_offset_total(self) -> int:
        """Count the events that were ever written."""
        return sum(end for (topic, _), end in self.ends.items() if topic in topics.EVENT_TOPICS)

    @property
    def dead_letters(self) -> int:
        """Count the dead letters that the log still holds."""
        return sum(
            end - self.begins.get(partition, 0)
            for partition, end in self.ends.items()
            if partition[0] not in topics.EVENT_TOPICS
        )

    @property
    def lag(self) -> int:
        """Count the records that the group has not committed."""
        return lag(self.begins, self.ends, self.committed)


def lag(begins: Offsets, ends: Offsets, committed: Offsets) -> int:
    """Count the records of the event topics between the commits (the first offset where there is none) and the end."""
    return sum(
        max(0, end - max(committed.get(partition, 0), begins.get(partition, 0)))
        for partition, end in ends.items()
        if partition[0] in topics.EVENT_TOPICS
    )


class EventLog:
    """Asks Kafka; each method raises KafkaException or TimeoutError when it does not answer in time."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._last_error = ""
        # Connection errors are reported once, as the state of a component, and not once per attempt.
        self._client = clients.silent_admin(settings, CLIENT_ID, self._remember)
        self._reader = clients.silent_consumer(settings, CLIENT_ID, group, on_error=self._remember)
        self._sampling = ThreadPoolExecutor(SAMPLING_THREADS, thread_name_prefix="kafka-sampling")
        self._reconciling = ThreadPoolExecutor(RECONCILING_THREADS, thread_name_prefix="kafka-reconciling")

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error.str()

    def close(self) -> None:
        """Give up what is asked and end the threads."""
        for threads in (self._sampling, self._reconciling):
            threads.shutdown(wait=False, cancel_futures=True)

    def explain(self, error: KafkaException) -> str:
        """Say why Kafka does not answer: the connection's last error says more than a time-out."""
        return self._last_error or str(error.args[0].str())

    async def state(self, timeout_seconds: float) -> LogState:
        """Return where the log is now."""
        return await self._run(self._sampling, self._state, timeout_seconds)

    async def settle(self, patience_seconds: float, timeout_seconds: float, marks: AskMarks) -> int:
        """Wait until what is readable in the log now is counted; return how many records of the log are not counted."""
        give_up = time.monotonic() + patience_seconds
        target = await self._run(self._reconciling, self._state, timeout_seconds)
        while True:
            counted = target.counted(await marks())
            if not lag(target.begins, target.readable_ends, counted) or time.monotonic() > give_up:
                return lag(target.begins, target.ends, counted)
            await asyncio.sleep(POLL_SECONDS)

    async def _run(
        self, threads: ThreadPoolExecutor, ask: Callable[[Deadline], Answer], timeout_seconds: float
    ) -> Answer:
        """Ask on a thread; the time counts from now, whatever the thread is busy with."""
        asking = asyncio.get_running_loop().run_in_executor(threads, ask, Deadline(timeout_seconds))
        return await asyncio.wait_for(asking, timeout_seconds)

    def _state(self, deadline: Deadline) -> LogState:
        self._client.poll(0)
        metadata = self._client.list_topics(timeout=deadline.left_seconds())
        there = offsets.describe_topics(
            self._client, (*topics.EVENT_TOPICS, *topics.DEAD_LETTER_TOPICS.values()), deadline.left_seconds()
        )
        partitions = [each for name, topic in there.items() for each in topic.partitions_of(name)]
        state = LogState(
            brokers=len(metadata.brokers),
            begins=offsets.log_start_offsets(self._client, partitions, deadline.left_seconds()),
            ends=offsets.log_end_offsets(self._client, partitions, deadline.left_seconds()),
            committed=self._committed(partitions, deadline),
            readable_ends=offsets.last_stable_offsets(self._client, partitions, deadline.left_seconds()),
            topic_ids={name: topic.topic_id.bytes for name, topic in there.items()},
        )
        self._last_error = ""
        return state

    def _committed(self, partitions: Iterable[Partition], deadline: Deadline) -> Offsets:
        asked = [each for each in partitions if each[0] in topics.EVENT_TOPICS]
        return offsets.committed_offsets(self._reader, asked, deadline.left_seconds())
