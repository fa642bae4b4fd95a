"""Clients of the simulated Kafka, with the methods of confluent_kafka's that the programs call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime.kafka.offsets import Partition

from simulated.broker import PARTITIONS, TOPIC_IDS, Broker, Link, Record, Report

FETCHED_RECORDS = 40
EARLIEST = -2


class Message:
    """A record as a consumer or a delivery report has it."""

    def __init__(self, record: Record, error: KafkaError | None = None) -> None:
        self.topic = lambda: record.place[0]
        self.partition = lambda: record.place[1]
        self.offset = lambda: record.offset
        self.key = lambda: record.key
        self.value = lambda: record.value
        self.headers = lambda: record.headers
        self.error = lambda: error
        self.timestamp = lambda: (1, 1_700_000_000_000)


class Producer:
    """An idempotent producer: the broker stores each of its records once, and those of a partition in order."""

    def __init__(self, broker: Broker, batch_records: int) -> None:
        self._broker = broker
        process = broker.scheduler.current
        assert process is not None
        self._link = Link(process.number, batch_records)
        broker.links.append(self._link)

    def produce(
        self, topic: str, value: bytes | None, key: Any, on_delivery: Report, headers: list[tuple[str, Any]]
    ) -> None:
        """Queue a record."""
        raw = key.encode() if isinstance(key, str) else key
        place = self._broker.partition_of(topic, raw)
        fields = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers]
        self._link.queued.setdefault(place, []).append(Record(place, raw, value, fields, on_delivery))
        self._link.unanswered += 1

    def flush(self, seconds: float) -> int:
        """Wait until all records are answered, and report them; return how many are not."""
        link = self._link
        if link.unanswered:
            self._broker.scheduler.wait(lambda: not link.unanswered, seconds)
        answered, link.answered = link.answered, []
        for record in answered:
            if record.report is not None:
                record.report(record.error, Message(record))
        return link.unanswered

    def purge(self) -> None:
        """Forget what is queued."""
        self._broker.close_link(self._link)
        self._link.unanswered = 0


class Consumer:
    """A member of the group."""

    def __init__(self, broker: Broker, incremental: bool) -> None:
        self._broker, self._scheduler, self._incremental = broker, broker.scheduler, incremental
        process = broker.scheduler.current
        assert process is not None
        self._number = process.number
        self._member = broker.join(self._number)
        self._positions: dict[Partition, int] = {}
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
                self._paused.discard(each)
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
        self._paused.clear()
        self.incremental_assign(places)

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions too, from where they say, else from the committed offset."""
        for place in sorted(places, key=lambda each: (each.topic, each.partition)):
            key = (place.topic, place.partition)
            self._positions[key] = place.offset if place.offset >= 0 else self._broker.committed.get(key, 0)
            self._ends.pop(key, None)

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions no longer."""
        for place in places:
            self._positions.pop((place.topic, place.partition), None)

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
        return [TopicPartition(*key, stored.get(key, -1001)) for key in ((each.topic, each.partition) for each in places)]

    def close(self) -> None:
        """Leave the group."""
        self._give_up(self._member.owned, self._on_revoke)
        self._broker.leave(self._member)


class Admin:
    """Reads topic ids and offsets."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def poll(self, _: float) -> int:
        """Do nothing."""
        return 0

    def describe_topics(self, names: Any, request_timeout: float) -> dict[str, Future[Any]]:
        """Return the id and the partitions of topics."""
        return {name: self._answer(lambda name=name: Description(name)) for name in names.topic_names}

    def list_offsets(self, asked: dict[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        """Return the first or the next offset of partitions."""
        reach(self._broker, 5.0)
        ends = {place: len(log) for place, log in self._broker.logs.items()}
        return {
            at: self._answer(
                lambda at=at, spec=spec: SimpleNamespace(
                    offset=0 if spec._value == EARLIEST else ends[at.topic, at.partition]
                )
            )
            for at, spec in asked.items()
        }

    def describe_configs(self, resources: Iterable[Any], **_: Any) -> dict[Any, Future[Any]]:
        """Return the limits of topics."""
        limits = {"max.message.bytes": SimpleNamespace(value="1048588")}
        return {each: self._answer(lambda: limits) for each in resources}

    def _answer(self, answer: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self._broker.is_away:
            future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        else:
            future.set_result(answer())
        return future


class Description:
    """A topic description; the id is a new object each time, as runtime.kafka.offsets.release_id expects."""

    def __init__(self, name: str) -> None:
        self._topic_id = TOPIC_IDS[name]
        self.partitions = [None] * PARTITIONS[name]

    @property
    def topic_id(self) -> Any:
        """The id in the form of the client."""
        return TopicId(self._topic_id)


class TopicId:
    """A topic id in two signed halves."""

    def __init__(self, topic_id: UUID) -> None:
        self._bytes = topic_id.bytes

    def get_most_significant_bits(self) -> int:
        """Return the first half."""
        return int.from_bytes(self._bytes[:8], "big", signed=True)

    def get_least_significant_bits(self) -> int:
        """Return the second half."""
        return int.from_bytes(self._bytes[8:], "big", signed=True)


def reach(broker: Broker, seconds: float) -> None:
    """Reach the cluster within a time. Raises KafkaException."""
    if not broker.scheduler.wait(lambda: not broker.is_away, seconds):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
