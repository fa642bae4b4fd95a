"""A Kafka cluster: logs, the requests of producers on their way, and a consumer group with its offsets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError

from runtime.kafka import topics
from runtime.kafka.offsets import Partition
from simulated.faults import Faults
from simulated.scheduler import Scheduler

PARTITIONS = {topics.ORDER_EVENTS: 4, topics.STOCK: 1, topics.ORDER_EVENTS_DLQ: 1, topics.STOCK_DLQ: 1}
TOPIC_IDS = {name: UUID(int=number + 1) for number, name in enumerate(PARTITIONS)}
# Part of a record that Kafka refuses while its limits are low.
REFUSED = b"refused"

Report = Callable[[KafkaError | None, Any], None]


@dataclass(slots=True)
class Record:
    """A record of a partition, or one on its way; `report` is called with its fate."""

    place: Partition
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    report: Report | None = None
    offset: int = -1
    error: KafkaError | None = None


@dataclass(slots=True)
class Link:
    """What a producer has queued, by partition; `answered` waits for the producer to look at it."""

    owner: int
    batch_records: int
    queued: dict[Partition, list[Record]] = field(default_factory=dict)
    unanswered: int = 0
    answered: list[Record] = field(default_factory=list)
    closed: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """A member of the group: the partitions that it owns, and until when it is one of them."""

    number: int
    owned: set[Partition] = field(default_factory=set)
    # Has given up its partitions for the present generation.
    joined: int = -1
    assigned: int = -1
    expelled: bool = False


class Broker:
    """The logs, the links to producers, and the group of the workers."""

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self.scheduler, self.faults = scheduler, faults
        self.logs: dict[Partition, list[Record]] = {
            (topic, number): [] for topic, count in PARTITIONS.items() for number in range(count)
        }
        self.links: list[Link] = []
        self.members: list[Member] = []
        self.generation = 0
        self.committed: dict[Partition, int] = {}
        self.away_until = 0.0
        self.refuses = True
        self.on_append: Callable[[Record], None] = lambda _: None

    @property
    def is_away(self) -> bool:
        """Whether no client reaches the cluster."""
        return self.scheduler.now < self.away_until

    @property
    def links_are_busy(self) -> bool:
        """Whether requests are on their way."""
        return any(link.queued for link in self.links)

    def partition_of(self, topic: str, key: bytes | None) -> Partition:
        """Return the partition of a key."""
        return topic, zlib.crc32(key or b"") % PARTITIONS[topic]

    def append(self, record: Record) -> None:
        """Append a record to its log."""
        log = self.logs[record.place]
        log.append(record)
        record.offset = len(log) - 1
        self.on_append(record)

    def transmit(self) -> None:
        """Have some of the requests on their way arrive, each producer's of a partition in their order."""
        if self.is_away:
            return
        draw = self.scheduler.random
        waiting = [(link, place) for link in self.links for place in link.queued]
        if waiting:
            link, place = waiting[int(draw.random() * len(waiting))]
            queue = link.queued[place]
            batch, rest = queue[: (most := 1 + int(draw.random() * link.batch_records))], queue[most:]
            if rest:
                link.queued[place] = rest
            else:
                del link.queued[place]
                if link.closed and not link.queued:
                    self.links.remove(link)
            self._receive(link, batch)

    def _receive(self, link: Link, batch: list[Record]) -> None:
        bad = [record for record in batch if self.refuses and record.value and REFUSED in record.value]
        for record in batch:
            if bad:
                code = KafkaError.INVALID_RECORD if record in bad else KafkaError._INVALID_DIFFERENT_RECORD
                record.error = KafkaError(code)
            else:
                self.append(record)
        late = self.scheduler.random.random() * 8 if self.faults.happens("late acknowledgements") else 0.0
        if late:
            self.scheduler.at(late, lambda: self._answer(link, batch))
        else:
            self._answer(link, batch)

    def _answer(self, link: Link, batch: Iterable[Record]) -> None:
        for record in batch:
            link.answered.append(record)
            link.unanswered -= 1

    def raw_headers(self, _: Any, __: str, places: Iterable[tuple[str, int, int]], ___: float) -> dict[Any, Any]:
        """Return the headers of records as bytes, in place of runtime.kafka.records.raw_headers.read."""
        return {
            place: [(name.encode(), value) for name, value in self.logs[place[:2]][place[2]].headers]
            for place in places
        }

    def close_link(self, link: Link) -> None:
        """Close a producer: of each partition, what it has sent may still arrive, from the first on."""
        link.closed = True
        for place, queue in list(link.queued.items()):
            sent = 0
            while sent < len(queue) and self.faults.happens("late arrivals"):
                sent += 1
            if sent:
                link.queued[place] = queue[:sent]
            else:
                del link.queued[place]
        if not link.queued and link in self.links:
            self.links.remove(link)

    def join(self, number: int) -> Member:
        """Add a member to the group."""
        member = Member(number)
        self.members.append(member)
        self.generation += 1
        return member

    def leave(self, member: Member) -> None:
        """Remove a member: one that left, or whose session ended."""
        if member in self.members:
            self.members.remove(member)
            self.generation += 1
        member.expelled = True

    def share_of(self, member: Member) -> set[Partition]:
        """Return the partitions that a member is to have in this generation."""
        subscribed = [place for place in self.logs if place[0] in topics.EVENT_TOPICS]
        # Another member each time, so that partitions move at every rebalance.
        index = (self.members.index(member) + self.generation) % len(self.members)
        return set(subscribed[index :: len(self.members)])

    def is_free(self, partition: Partition, member: Member) -> bool:
        """Return whether no other member owns a partition."""
        return all(partition not in other.owned for other in self.members if other is not member)

    def lose(self, process: int) -> None:
        """Notice that a process is gone: its producers are closed, and the group goes on without it."""
        for link in [each for each in self.links if each.owner == process]:
            self.close_link(link)
        for member in [each for each in self.members if each.number == process]:
            self.leave(member)

    def commit(self, member: Member, offsets: dict[Partition, int]) -> None:
        """Store offsets of a member of the group; those of others are refused."""
        if not (member.expelled or self.is_away or self.faults.happens("lost offsets")):
            self.committed |= {place: offset for place, offset in offsets.items() if place in member.owned}
