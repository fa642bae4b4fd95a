"""Decides from which offset each partition is counted; pure. A mark belongs to a topic id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from runtime.kafka.offsets import NO_TOPIC, Partition, PartitionOffsets


class Mark(NamedTuple):
    """Everything of a topic's partition before the offset is counted or parked."""

    topic_id: UUID
    next_offset: int


class Start(NamedTuple):
    """Where a partition is read from, and the mark that the database must have for it.

    `known` is the mark that it has; `missing` offsets were deleted before they were counted.
    """

    begin: Mark
    mark: Mark
    known: Mark | None
    missing: int


def start(known: Mark | None, extent: PartitionOffsets, committed: int | None) -> Start:
    """Return where the counting of a partition goes on: at the database's mark, if it is one of this topic.

    The group's committed offset can only ask for more: who sets it back has events read again.
    """
    counted = counted_before(known, extent, committed)
    mark = Mark(extent.topic_id, max(counted, extent.start_offset))
    begin = max(extent.start_offset, mark.next_offset if committed is None else min(committed, mark.next_offset))
    return Start(Mark(extent.topic_id, begin), mark, known, mark.next_offset - counted)


def counted_before(known: Mark | None, extent: PartitionOffsets, committed: int | None) -> int:
    """Return the offset before which everything is counted, 0 where that is not known."""
    if known is None and committed is None:
        # Nobody counted this partition before, so nobody missed what it once held.
        return extent.start_offset
    if known is None or known.topic_id not in (extent.topic_id, NO_TOPIC):
        return 0
    if known.next_offset > extent.end_offset:
        # The log was cut back: what it holds now may be other events.
        return extent.start_offset
    if known.topic_id == NO_TOPIC:
        # From before marks had a topic's id. Kafka deletes committed offsets with their topic.
        return min(known.next_offset, committed or 0)
    return known.next_offset


def starts(
    known: Mapping[Partition, Mark], extents: Mapping[Partition, PartitionOffsets], committed: Mapping[Partition, int]
) -> dict[Partition, Start]:
    """Return where the counting of partitions goes on."""
    return {place: start(known.get(place), extent, committed.get(place)) for place, extent in extents.items()}
