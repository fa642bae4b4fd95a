"""Reads topic ids and offsets from Kafka: log start, log end, last stable, by time, and those a group committed.

The only place that does: the worker, the gateway and the command line read offsets with these functions.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets OffsetSpec
    AdminClient,
    OffsetSpec,
)

# A topic and the number of one of its partitions.
Partition = tuple[str, int]
# Kafka's own value for no topic.
NO_TOPIC = UUID(int=0)
# The references to an id while it is counted: the description's and the argument's.
ID_REFERENCES = 2


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its id, which changes when the topic is recreated, and its number of partitions."""

    topic_id: UUID
    partitions: int

    def partitions_of(self, name: str) -> list[Partition]:
        """Return all partitions of the topic, which has this name."""
        return [(name, number) for number in range(self.partitions)]


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """The offsets of a partition: from the log start to before the log end; some may hold no record."""

    topic_id: UUID
    start_offset: int
    end_offset: int


def describe_topics(client: AdminClient, names: Iterable[str], timeout_seconds: float) -> dict[str, Topic]:
    """Return the topics that exist. Raises KafkaException when Kafka does not answer or refuses."""
    # The client keeps its log messages in memory until it is polled.
    client.poll(0)
    asked = client.describe_topics(TopicCollection(list(names)), request_timeout=timeout_seconds)
    found: dict[str, Topic] = {}
    for name, future in asked.items():
        try:
            found[name] = read_topic(future.result(timeout_seconds + 1))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return found


def read_topic(description: Any) -> Topic:
    """Convert a topic description; the stubs lack its class, and the methods of the id's."""
    topic_id = description.topic_id
    halves = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    id_bytes = b"".join(half.to_bytes(8, "big", signed=True) for half in halves)
    del topic_id
    release_id(description)
    return Topic(UUID(bytes=id_bytes), len(description.partitions))


def release_id(description: Any) -> None:
    """Drop the reference to the id that describe_topics takes and never releases: 130 bytes per topic and call.

    With a client that releases it, the reference count is right already and nothing is done.
    """
    if sys.getrefcount(description.topic_id) > ID_REFERENCES:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(description.topic_id))


def partition_offsets(
    client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float
) -> dict[Partition, PartitionOffsets]:
    """Return the offsets of partitions; those that do not exist are left out. Raises KafkaException."""
    wanted = list(partitions)
    topics = describe_topics(client, {topic for topic, _ in wanted}, timeout_seconds) if wanted else {}
    existing = [each for each in wanted if each[0] in topics and each[1] < topics[each[0]].partitions]
    starts = log_start_offsets(client, existing, timeout_seconds)
    ends = log_end_offsets(client, existing, timeout_seconds)
    return {each: PartitionOffsets(topics[each[0]].topic_id, starts[each], ends[each]) for each in existing}


def log_start_offsets(
    client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float
) -> dict[Partition, int]:
    """Return the log start offsets (low watermarks): records before them are deleted."""
    return _offsets(client, partitions, OffsetSpec.earliest(), timeout_seconds)  # type: ignore[no-untyped-call]  # the library has no types here


def log_end_offsets(
    client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float
) -> dict[Partition, int]:
    """Return the log end offsets (high watermarks): records of open transactions are before them."""
    return _offsets(client, partitions, OffsetSpec.latest(), timeout_seconds)  # type: ignore[no-untyped-call]  # see above


def last_stable_offsets(
    client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float
) -> dict[Partition, int]:
    """Return the last stable offsets: consumers can read up to them."""
    level = IsolationLevel.READ_COMMITTED
    return _offsets(client, partitions, OffsetSpec.latest(), timeout_seconds, level)  # type: ignore[no-untyped-call]  # see above


def offsets_at(
    client: AdminClient, partitions: Iterable[Partition], time_ms: int, timeout_seconds: float
) -> dict[Partition, int]:
    """Return the first offsets whose records are not older than a time, -1 where there is none."""
    return _offsets(client, partitions, OffsetSpec.for_timestamp(time_ms), timeout_seconds)


def committed_offsets(
    consumer: Consumer, partitions: Iterable[Partition], timeout_seconds: float
) -> dict[Partition, int]:
    """Return the offsets that the consumer's group committed; partitions without one are left out.

    Blocks; raises KafkaException. An admin client could read them too, but librdkafka 2.16 crashes in it when the
    group coordinator moves or is loading: its response handler takes every client for a consumer.
    """
    asked = [TopicPartition(*each) for each in partitions]
    found = consumer.committed(asked, timeout_seconds) if asked else []
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}


def _offsets(
    client: AdminClient,
    partitions: Iterable[Partition],
    at: OffsetSpec,
    timeout_seconds: float,
    level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
) -> dict[Partition, int]:
    asked = {TopicPartition(*each): at for each in partitions}
    if not asked:
        return {}
    try:
        return _list_offsets(client, asked, level, timeout_seconds)
    except KafkaException as error:
        if error.args[0].code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_LEADER_FOR_PARTITION):
            raise
    # librdkafka returns these errors from its cache, for minutes, for a topic that was recreated.
    client.list_topics(timeout=timeout_seconds)
    return _list_offsets(client, asked, level, timeout_seconds)


def _list_offsets(
    client: AdminClient, asked: dict[TopicPartition, OffsetSpec], level: IsolationLevel, timeout_seconds: float
) -> dict[Partition, int]:
    answers = client.list_offsets(asked, isolation_level=level, request_timeout=timeout_seconds)
    return {(one.topic, one.partition): future.result(timeout_seconds + 1).offset for one, future in answers.items()}
