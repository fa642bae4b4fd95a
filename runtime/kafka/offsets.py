"""Asks Kafka which topic a name means, and where its partitions begin and end."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets OffsetSpec
    AdminClient,
    OffsetSpec,
)

Partition = tuple[str, int]
# Kafka's own word for no topic.
NO_TOPIC = UUID(int=0)
# The references to an id while it is counted: the description's and the argument's.
ID_REFERENCES = 2


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its id, which one that is made again does not share, and how many partitions it has."""

    topic_id: UUID
    partitions: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds: from the first offset to before the end; offsets between may hold no record."""

    topic_id: UUID
    first_offset: int
    end_offset: int


def describe(client: AdminClient, names: Iterable[str], timeout_seconds: float) -> dict[str, Topic]:
    """Return the topics that exist. Raises KafkaException when Kafka does not answer or refuses."""
    # What the client has logged waits in its memory until somebody takes it.
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
    """Return what is used of a topic's description; the stubs forget its class, and the methods of the id's."""
    topic_id = description.topic_id
    halves = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    id_bytes = b"".join(half.to_bytes(8, "big", signed=True) for half in halves)
    del topic_id
    release_id(description)
    return Topic(UUID(bytes=id_bytes), len(description.partitions))


def release_id(description: Any) -> None:
    """Drop the reference to the id that describe_topics takes and never gives back: 130 bytes a topic and call.

    With a client that gives it back, the count is right already and nothing is done.
    """
    if sys.getrefcount(description.topic_id) > ID_REFERENCES:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(description.topic_id))


def extents(client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float) -> dict[Partition, Extent]:
    """Return what partitions hold; those of topics that do not exist are left out. Raises KafkaException."""
    wanted = list(partitions)
    topics = describe(client, {topic for topic, _ in wanted}, timeout_seconds) if wanted else {}
    there = [place for place in wanted if place[0] in topics and place[1] < topics[place[0]].partitions]
    firsts = first_offsets(client, there, timeout_seconds)
    ends = end_offsets(client, there, timeout_seconds)
    return {place: Extent(topics[place[0]].topic_id, firsts[place], ends[place]) for place in there}


def first_offsets(client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float) -> dict[Partition, int]:
    """Return the low watermarks: what was before them is deleted."""
    return _offsets(client, partitions, OffsetSpec.earliest(), timeout_seconds)  # type: ignore[no-untyped-call]  # the library has no types here


def end_offsets(client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float) -> dict[Partition, int]:
    """Return the high watermarks: records of transactions that are still open are before them."""
    return _offsets(client, partitions, OffsetSpec.latest(), timeout_seconds)  # type: ignore[no-untyped-call]  # see above


def readable_ends(client: AdminClient, partitions: Iterable[Partition], timeout_seconds: float) -> dict[Partition, int]:
    """Return the last stable offsets: how far consumers can read now."""
    level = IsolationLevel.READ_COMMITTED
    return _offsets(client, partitions, OffsetSpec.latest(), timeout_seconds, level)  # type: ignore[no-untyped-call]  # see above


def offsets_at(
    client: AdminClient, partitions: Iterable[Partition], time_ms: int, timeout_seconds: float
) -> dict[Partition, int]:
    """Return the first offsets that are not older than a time, -1 where there is none."""
    return _offsets(client, partitions, OffsetSpec.for_timestamp(time_ms), timeout_seconds)


def _offsets(
    client: AdminClient,
    partitions: Iterable[Partition],
    at: OffsetSpec,
    timeout_seconds: float,
    level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
) -> dict[Partition, int]:
    asked = {TopicPartition(*place): at for place in partitions}
    if not asked:
        return {}
    try:
        return _list_offsets(client, asked, level, timeout_seconds)
    except KafkaException as error:
        if error.args[0].code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_LEADER_FOR_PARTITION):
            raise
    # librdkafka answers so from its cache, for minutes, about a topic that was made again since.
    client.list_topics(timeout=timeout_seconds)
    return _list_offsets(client, asked, level, timeout_seconds)


def _list_offsets(
    client: AdminClient, asked: dict[TopicPartition, OffsetSpec], level: IsolationLevel, timeout_seconds: float
) -> dict[Partition, int]:
    answers = client.list_offsets(asked, isolation_level=level, request_timeout=timeout_seconds)
    return {(one.topic, one.partition): future.result(timeout_seconds + 1).offset for one, future in answers.items()}
