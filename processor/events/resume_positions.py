"""Decides from which offset each partition is counted; pure. A position belongs to a topic id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from runtime.kafka.offsets import NO_TOPIC, Partition, PartitionOffsets


class Position(NamedTuple):
    """Every record of a partition of this topic before `next_offset` is counted or a dead letter."""

    topic_id: UUID
    next_offset: int


class Start(NamedTuple):
    """Where the reading of a partition begins, and the position that the database must have for it.

    `recorded` is the position that the database has; `missing` offsets were deleted before they were counted.
    """

    read_from: Position
    position: Position
    recorded: Position | None
    missing: int


def start(recorded: Position | None, offsets: PartitionOffsets, committed: int | None) -> Start:
    """Return where the counting of a partition continues: at the database's position, if it is of this topic.

    The group's committed offset can only move the start back: resetting it has events read again.
    """
    counted = counted_before(recorded, offsets, committed)
    position = Position(offsets.topic_id, max(counted, offsets.start_offset))
    wanted = position.next_offset if committed is None else min(committed, position.next_offset)
    read_from = Position(offsets.topic_id, max(offsets.start_offset, wanted))
    return Start(read_from, position, recorded, position.next_offset - counted)


def counted_before(recorded: Position | None, offsets: PartitionOffsets, committed: int | None) -> int:
    """Return the offset before which everything is counted, 0 where that is not known."""
    if recorded is None and committed is None:
        # The partition was never counted, so records that were deleted are not missing.
        return offsets.start_offset
    if recorded is None or recorded.topic_id not in (offsets.topic_id, NO_TOPIC):
        return 0
    if recorded.next_offset > offsets.end_offset:
        # The log was truncated: what it holds now may be other events.
        return offsets.start_offset
    if recorded.topic_id == NO_TOPIC:
        # Recorded by a version without topic ids. Kafka deletes committed offsets with their topic.
        return min(recorded.next_offset, committed or 0)
    return recorded.next_offset


def starts(
    recorded: Mapping[Partition, Position],
    offsets: Mapping[Partition, PartitionOffsets],
    committed: Mapping[Partition, int],
) -> dict[Partition, Start]:
    """Return where the counting of partitions continues."""
    return {each: start(recorded.get(each), found, committed.get(each)) for each, found in offsets.items()}
