"""Consumers of the simulated Kafka, with the methods of confluent_kafka's that the programs call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime.kafka.offsets import Partition
from simulated.kafka.admin import reach
from simulated.kafka.broker import Broker, Record
from simulated.kafka.producer import Message

FETCHED_RECORDS = 40
NO_OFFSET = -1001


class Consumer:
    """A member of the group."""

    def __init__(self, broker: Broker, incremental: bool) -> None:
        self._broker, self._scheduler, self._incremental = broker, broker.scheduler, incremental
        process = broker.scheduler.current
        assert process is not None
        self._number = process.number
        self._member = broker.join(self._number)
        self._positions: dict[Partition, int] = {}
        # As in librdkafka, a pause outlasts the assignment.
        self._paused: set[Partition] = set()
        self._ends: dict[Partition, int] = {}
        self._on_assign: Callable[..., None]
        self._on_revoke: Callable[..., None]

    def subscribe(
        self,
        _: list[str],
        on_assign: Callable[..., None],
        on_revoke: Callable[..., None],
        on_lost: Callable[..., None],
    ) -> None:
        """Take the callbacks, which a poll calls."""
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost

    def poll(self, seconds: float) -> Message | None:
        """Take part in a rebalance; return a message, or None after a time."""
        found = self._take(1, seconds)
        return found[0] if found else None

    def consume(self, most: int, seconds: float) -> list[Message]:
        """Return the messages that are there."""
        return self._take(min(most, FETCHED_RECORDS), seconds)

    def _take(self, most: int, seconds: float) -> list[Message]:
        until = self._scheduler.now + seconds
        while True:
            self._scheduler.wait(self._has_something, until - self._scheduler.now)
            self._rebalance()
            if messages := self._fetch(most):
                return messages
            if self._scheduler.now >= until:
                return []

    def _has_something(self) -> bool:
        return self._must_rebalance() or bool(self._fetchable())

    def _must_rebalance(self) -> bool:
        member, broker = self._member, self._broker
        if broker.is_away:
            return False
        if member.expelled:
            return True
        if self._incremental:
            share = broker.share_of(member)
            return bool(member.owned - share) or any(broker.is_free(each, member) for each in share - member.owned)
        all_joined = all(each.joined == broker.generation for each in broker.members)
        return member.joined != broker.generation or (all_joined and member.assigned != broker.generation)

    def _rebalance(self) -> None:
        """Give up partitions and take others, as the protocol of the group has it."""
        while self._must_rebalance():
            member, broker = self._member, self._broker
            if member.expelled:
                # It is noticed late: what it has fetched is still delivered.
                if self._fetchable() and self._broker.faults.happens("expulsions"):
                    return
                self._give_up(member.owned, self._on_lost)
                self._member = broker.join(self._number)
            elif self._incremental:
                share = broker.share_of(member)
                self._give_up(member.owned - share, self._on_revoke)
                self._receive({each for each in share - member.owned if broker.is_free(each, member)})
            elif member.joined != broker.generation:
                self._give_up(member.owned, self._on_revoke)
                member.joined = broker.generation
            else:
                member.assigned = broker.generation
                self._receive(broker.share_of(member))

    def _give_up(self, partitions: set[Partition], callback: Callable[..., None]) -> None:
        if partitions:
            given_up = sorted(partitions)
            callback(self, [TopicPartition(*each) for each in given_up])
            for each in given_up:
                self._positions.pop(each, None)
            self._member.owned = self._member.owned - partitions

    def _receive(self, partitions: set[Partition]) -> None:
        if partitions:
            self._member.owned = self._member.owned | partitions
            self._on_assign(self, [TopicPartition(*each) for each in sorted(partitions)])

    def _fetchable(self) -> list[Partition]:
        if self._broker.is_away:
            return []
        return [
            place
            for place, position in self._positions.items()
            if place not in self._paused
            and (position < len(self._broker.logs[place]) or self._ends.get(place) != position)
        ]

    def _fetch(self, most: int) -> list[Message]:
        draw, found = self._scheduler.random, []
        for place in sorted(self._fetchable(), key=lambda _: draw.random()):
            log, position = self._broker.logs[place], self._positions[place]
            count = 1 + int(draw.random() * (most - len(found)))
            records = log[position : position + count]
            found += [Message(record) for record in records]
            self._positions[place] = position = position + len(records)
            if not records:
                self._ends[place] = position
                end = Record(place, None, None, [], offset=position)
                found.append(Message(end, KafkaError(KafkaError._PARTITION_EOF)))
            if len(found) >= most:
                break
        return found

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions and no others."""
        self._positions.clear()
        self.incremental_assign(places)

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions too, from where they say, else from the committed offset. Raises KafkaException."""
        if any(place.offset >= 0 for place in places) and self._broker.faults.happens("refused seeks"):
            raise KafkaException(KafkaError(KafkaError._STATE))
        for place in sorted(places, key=lambda each: (each.topic, each.partition)):
            key = (place.topic, place.partition)
            self._positions[key] = place.offset if place.offset >= 0 else self._broker.committed.get(key, 0)
            self._ends.pop(key, None)

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions no longer. Raises KafkaException for one that is not read."""
        for place in places:
            if (place.topic, place.partition) not in self._positions:
                raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
            del self._positions[place.topic, place.partition]

    def assignment(self) -> list[TopicPartition]:
        """Return the partitions that are read."""
        return [TopicPartition(*each) for each in self._positions]

    def pause(self, places: Sequence[TopicPartition]) -> None:
        """Return no messages of these partitions."""
        self._paused |= {(each.topic, each.partition) for each in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        """Return messages of these partitions again."""
        self._paused -= {(each.topic, each.partition) for each in places}

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        """Store offsets, some time later."""
        assert asynchronous
        member, found = self._member, {(each.topic, each.partition): each.offset for each in offsets}
        self._broker.commit(member, found)

    def committed(self, places: Sequence[TopicPartition], seconds: float) -> list[TopicPartition]:
        """Return the offsets that the group has stored."""
        reach(self._broker, seconds)
        stored = self._broker.committed
        keys = [(each.topic, each.partition) for each in places]
        return [TopicPartition(*key, stored.get(key, NO_OFFSET)) for key in keys]

    def list_topics(self, _: str, timeout: float) -> None:
        """Ask for metadata, of which nothing is used."""
        reach(self._broker, timeout)

    def close(self) -> None:
        """Leave the group."""
        self._give_up(self._member.owned, self._on_revoke)
        self._broker.leave(self._member)
