"""What a worker knows of the partitions assigned to it: position, log end, whether it is paused. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from confluent_kafka import Message

from processor.events.batch import Batch, OffsetRange, place_of
from processor.events.resume_positions import Position
from runtime.kafka.offsets import Partition


class Assignment:
    """The assigned partitions of one consumer; used by one thread."""

    def __init__(self) -> None:
        self.partitions: set[Partition] = set()
        # Assigned, but not compared with the position in the database yet.
        self.unaligned: set[Partition] = set()
        # Where each aligned partition continues after what was counted.
        self.positions: dict[Partition, Position] = {}
        # Not fetched while the other partitions are.
        self.paused: set[Partition] = set()
        # The last known end of the readable log, of partitions whose position is before it.
        self._log_ends: dict[Partition, int] = {}

    def add(self, partitions: Iterable[Partition]) -> None:
        """Add newly assigned partitions."""
        new = set(partitions)
        self.partitions |= new
        self.unaligned |= new

    def remove(self, partitions: Iterable[Partition]) -> None:
        """Remove revoked partitions."""
        for partition in partitions:
            self.partitions.discard(partition)
            self.unaligned.discard(partition)
            self.paused.discard(partition)
            self.positions.pop(partition, None)
            self._log_ends.pop(partition, None)

    def clear(self) -> None:
        """Remove all partitions."""
        for each in (self.partitions, self.unaligned, self.paused, self.positions, self._log_ends):
            each.clear()

    def still_assigned(self, messages: Iterable[Message]) -> list[Message]:
        """Return the messages of partitions that were not revoked meanwhile."""
        return [message for message in messages if place_of(message)[:2] in self.partitions]

    def realign_all(self) -> None:
        """Require every partition to be compared with the database, which may be another one after an outage."""
        self.unaligned |= self.partitions

    def reset(self, partition: Partition) -> None:
        """Require a partition to be read again from its position in the database."""
        self.positions.pop(partition, None)
        self.unaligned.add(partition)

    def reset_all(self) -> None:
        """Require every partition to be read again from its position in the database."""
        self.positions.clear()
        self.unaligned |= self.partitions

    def realign_recreated(self, topic_ids: Mapping[str, UUID]) -> None:
        """Require the partitions of recreated topics, whose current ids these are, to be compared with the database."""
        if topic_ids:
            self.unaligned |= {
                partition
                for partition in self.partitions
                if topic_ids.get(partition[0], self._topic_id(partition)) != self._topic_id(partition)
            }

    def _topic_id(self, partition: Partition) -> UUID | None:
        position = self.positions.get(partition)
        return None if position is None else position.topic_id

    def note_log_end(self, partition: Partition, offset: int) -> None:
        """Note that the readable log of a partition ends before an offset."""
        self._log_ends[partition] = offset

    def forget_log_ends(self) -> None:
        """Forget the log ends: everything is read again."""
        self._log_ends.clear()

    @property
    def has_empty_tail(self) -> bool:
        """Whether the log ends after offsets that hold no event, such as a transaction marker."""
        return any(
            partition in self.positions and end > self.positions[partition].next_offset
            for partition, end in self._log_ends.items()
        )

    def cover_empty_tails(self, batch: Batch, later: Sequence[Message]) -> None:
        """Extend a batch over the offsets without an event between its events and the log end.

        Partitions with messages in `later` are left out: the log end is after these.
        """
        waiting = {place_of(message)[:2] for message in later}
        for partition, end in self._log_ends.items():
            if partition in waiting or partition not in self.positions:
                continue
            if end > (batch.ranges.get(partition) or self.positions[partition]).next_offset:
                batch.range_of(partition, end).skip_to(end)

    def advance(self, ranges: Mapping[Partition, OffsetRange]) -> None:
        """Advance the positions past ranges that are counted."""
        for partition, covered in ranges.items():
            self.positions[partition] = Position(covered.start.topic_id, covered.next_offset)
        self._log_ends = {
            partition: end
            for partition, end in self._log_ends.items()
            if partition in self.positions and end > self.positions[partition].next_offset
        }
