"""The state of the Kafka log at one time: offsets, committed offsets, and the consumer lag. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ordermesh.internal.v1.ledger_pb2 import PartitionPosition

from runtime.kafka import topics
from runtime.kafka.offsets import Partition

Offsets = Mapping[Partition, int]


@dataclass(frozen=True)
class LogState:
    """The number of running brokers, the start and end offsets of every topic, and the group's committed offsets.

    While a transaction is open, consumers can read only up to `stable_ends`. `under_replicated` and `offline` count the
    partitions of which a replica is not in sync, and which have no leader.
    """

    brokers: int
    starts: Offsets
    ends: Offsets
    committed: Offsets
    stable_ends: Offsets = field(default_factory=dict)
    topic_ids: Mapping[str, bytes] = field(default_factory=dict)
    under_replicated: int = 0
    offline: int = 0

    def counted(self, positions: Iterable[PartitionPosition]) -> Offsets:
        """Return the next offset of each partition by these positions, without those of topics that were recreated."""
        return {
            (position.topic, position.partition): position.next_offset
            for position in positions
            if position.topic_id == self.topic_ids.get(position.topic)
        }

    @property
    def end_offset_total(self) -> int:
        """Return the number of records ever written to the event topics."""
        return sum(end for (topic, _), end in self.ends.items() if topic in topics.EVENT_TOPICS)

    @property
    def dead_letters(self) -> int:
        """Return the number of dead letters in the log."""
        return sum(
            end - self.starts.get(partition, 0)
            for partition, end in self.ends.items()
            if partition[0] not in topics.EVENT_TOPICS
        )

    @property
    def lag(self) -> int:
        """Return the consumer lag: records that the group has not committed."""
        return sum(self.lags().values())

    def lags(self) -> Offsets:
        """Return the consumer lag of each partition."""
        return lags(self.starts, self.ends, self.committed)


def lags(starts: Offsets, ends: Offsets, next_offsets: Offsets) -> Offsets:
    """Return the number of records of each event partition from the next offset, or the log start, to the end."""
    return {
        partition: max(0, end - max(next_offsets.get(partition, 0), starts.get(partition, 0)))
        for partition, end in ends.items()
        if partition[0] in topics.EVENT_TOPICS
    }


def lag(starts: Offsets, ends: Offsets, next_offsets: Offsets) -> int:
    """Return the number of records of the event topics from the next offsets, or the log start, to the ends."""
    return sum(lags(starts, ends, next_offsets).values())
