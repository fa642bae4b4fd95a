"""Reads the topics of events as a member of the consumer group, and knows which partitions are held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.consume.log_metadata import LogExtents
from processor.events.batch import Batch, Span, place_of
from processor.events.positions import Mark, Start
from processor.settings import WorkSettings
from runtime.kafka import clients, topics
from runtime.kafka.group_protocol import GroupProtocol
from runtime.kafka.offsets import NO_TOPIC, Partition, PartitionOffsets, committed_offsets
from runtime.kafka.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.telemetry.logging import logger

# How long a first event waits for more of what the last fetch brought.
LINGER_SECONDS = 0.005
COMMITTED_TIMEOUT_SECONDS = 5.0


class LogReader:
    """A member of the consumer group; one thread uses it, and its callbacks run in that thread."""

    def __init__(self, settings: WorkSettings, client_id: str) -> None:
        self._settings, self._client_id = settings, client_id
        self.held: set[Partition] = set()
        # Assigned, but not yet compared with what the database says is counted.
        self.unaligned: set[Partition] = set()
        # Where each partition goes on after what was counted.
        self.marks: dict[Partition, Mark] = {}
        # Where the readable part of the log ended, as far as that is known since the last count.
        self._ends: dict[Partition, int] = {}
        self._extents = LogExtents(settings, client_id)
        self._put_back: list[Message] = []
        # Not read on while the others are.
        self._on_hold: set[Partition] = set()
        self._paused = self._taken_away = False
        self._join(settings.first_group_protocol)

    def _join(self, protocol: GroupProtocol) -> None:
        self._incremental = protocol == "consumer"
        self._consumer: Consumer = clients.consumer(
            self._settings, self._client_id, self._settings.processor_group, protocol
        )
        self._unreadable = UnreadableBatches(self._consumer, self._begin_of)
        self._consumer.subscribe(
            list(topics.EVENT_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def read(self, max_events: int, wait_seconds: float) -> list[Message]:
        """Return what is there, blocking for `wait_seconds` when nothing is; what was put back comes first."""
        if self._put_back:
            messages, self._put_back = self.still_held(self._put_back), []
            return messages
        first = self._consumer.poll(wait_seconds)
        if first is None:
            return []
        messages = [first]
        if max_events > 1:
            messages += self._consumer.consume(max_events - 1, LINGER_SECONDS)
        messages = self._readable(messages)
        if self._taken_away:
            self._taken_away = False
            return self.still_held(messages)
        return messages

    def still_held(self, messages: Iterable[Message]) -> list[Message]:
        """Return the messages of partitions that were not taken away meanwhile."""
        return [message for message in messages if place_of(message)[:2] in self.held]

    def put_back(self, messages: Sequence[Message]) -> None:
        """Take back messages that are read again next."""
        self._put_back = list(messages)

    def committed(self) -> dict[Partition, int]:
        """Return how far the group says that the unaligned partitions are counted. Raises KafkaException."""
        return committed_offsets(self._consumer, self.unaligned, COMMITTED_TIMEOUT_SECONDS)

    def extents(self) -> dict[Partition, PartitionOffsets]:
        """Return what the unaligned partitions hold. Raises KafkaException, also when one does not exist."""
        return self._extents.of(self.unaligned)

    def align(self, starts: Mapping[Partition, Start], committed: Mapping[Partition, int]) -> bool:
        """Go where the database's marks are, and say whether the consumer was elsewhere.

        Then everything read so far is read again. Marks must have been asked for after `committed`, since a mark is
        committed after its transaction, and before the log's ends.
        """
        moved = {place: start for place, start in starts.items() if self.marks.get(place) != start.begin}
        for place, start in moved.items():
            tell_start(place, start, committed.get(place, 0))
        self.marks |= {place: start.begin for place, start in starts.items()}
        self.unaligned.clear()
        if moved:
            self._start_again([TopicPartition(*held, self.marks[held].next_offset) for held in self.held])
            self._commit({place: start.begin.next_offset for place, start in moved.items()})
        return bool(moved)

    def _begin_of(self, place: Partition) -> int:
        return self.marks[place].next_offset if place in self.marks else 0

    def _start_again(self, places: list[TopicPartition]) -> None:
        self._unreadable.forget()
        self._ends.clear()
        self._put_back.clear()
        if self._incremental:
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
        else:
            self._consumer.assign(places)
        self.hold(self._on_hold)

    def realign(self) -> None:
        """Have every partition compared with the database again, which may be another one after an outage."""
        self.unaligned |= self.held

    def distrust(self, partition: Partition) -> None:
        """Have a partition begin at its mark again, whatever it delivered."""
        self.marks.pop(partition, None)
        self.unaligned.add(partition)

    def watch_topics(self) -> None:
        """Have the partitions of a topic that was made again compared with the database; does not wait."""
        ids = self._extents.changed_ids()
        self.unaligned |= {place for place in self.held if ids.get(place[0], self._id_of(place)) != self._id_of(place)}

    def _id_of(self, place: Partition) -> UUID | None:
        mark = self.marks.get(place)
        return None if mark is None else mark.topic_id

    @property
    def reached_ends(self) -> bool:
        """Whether the log ends after offsets that hold no event, such as the marker of a transaction."""
        return any(place in self.marks and end > self.marks[place].next_offset for place, end in self._ends.items())

    def cover_ends(self, batch: Batch, later: Sequence[Message]) -> None:
        """Have a batch cover the offsets without an event between its events and the end of the log.

        Between those of the partitions of later messages are these.
        """
        waiting = {place_of(message)[:2] for message in later}
        for place, end in self._ends.items():
            if place in waiting or place not in self.marks:
                continue
            if end > (batch.spans.get(place) or self.marks[place]).next_offset:
                batch.span(place, end).skip_to(end)

    def counted(self, spans: Mapping[Partition, Span]) -> None:
        """Note that spans are counted, and log which events the log had lost before."""
        self.marks |= {place: Mark(span.begin.topic_id, span.next_offset) for place, span in spans.items()}
        self._ends = {
            at: end for at, end in self._ends.items() if at in self.marks and end > self.marks[at].next_offset
        }
        for (topic, partition), missing in self._extents.lost(spans).items():
            tell_missing(topic, partition, missing)

    def wait(self, seconds: float) -> list[Message]:
        """Stay in the group without reading on; returns what slipped through before the pause took hold."""
        if not self._paused:
            self._paused = True
            self._consumer.pause([TopicPartition(*held) for held in self.held])
        message = self._consumer.poll(seconds)
        return [] if message is None else self._readable([message])

    def go_on(self) -> None:
        """Read on after a wait."""
        if self._paused:
            self._paused = False
            self._consumer.resume([TopicPartition(*held) for held in self.held - self._on_hold])

    def hold(self, partitions: Collection[Partition]) -> None:
        """Read no further in these partitions."""
        mine = self.held & set(partitions)
        self._on_hold |= mine
        self._consumer.pause([TopicPartition(*place) for place in mine])

    def let_go(self, partitions: Collection[Partition]) -> None:
        """Read on in these partitions."""
        mine = self._on_hold & set(partitions)
        self._on_hold -= mine
        self._consumer.resume([TopicPartition(*place) for place in mine])

    def commit(self, spans: Mapping[Partition, Span]) -> None:
        """Tell the group how far its partitions are counted, without waiting; a mark that is lost costs a replay."""
        self._commit({partition: span.next_offset for partition, span in spans.items()})

    def _commit(self, offsets: Mapping[Partition, int]) -> None:
        marks = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=marks, asynchronous=True)
        except KafkaException as error:
            logger().warning("offsets were not committed", error=str(error))

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        new = {(at.topic, at.partition) for at in partitions}
        self.held |= new
        self.unaligned |= new
        (consumer.incremental_assign if self._incremental else consumer.assign)(list(partitions))
        if self._paused:
            consumer.pause(list(partitions))
        if new:
            logger().info("partitions assigned", partitions=len(new))

    def _revoked(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        gone = {(at.topic, at.partition) for at in partitions}
        self.held -= gone
        self._on_hold -= gone
        self._taken_away = True
        self.unaligned -= gone
        self._unreadable.forget(gone)
        for partition in gone:
            self.marks.pop(partition, None)
            self._ends.pop(partition, None)
        logger().info("partitions revoked", partitions=len(gone))

    def _readable(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages without the errors and ends among them, which are dealt with.

        Those of records that cannot be read are among them: they are set aside.
        """
        if not self._unreadable.searching and all(message.error() is None for message in messages):
            # As nearly always where many events come.
            return list(messages)
        messages = self._unreadable.told(messages)
        for message in messages:
            error = message.error()
            if error is None or is_unreadable(message):
                continue
            if error.code() == KafkaError._FATAL:
                self._join_anew(error)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ends[place_of(message)[:2]] = place_of(message)[2]
            else:
                level = "error" if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else "warning"
                getattr(logger(), level)("reading from kafka", error=error.str(), code=error.name())
        return [message for message in messages if message.error() is None or is_unreadable(message)]

    def _join_anew(self, error: KafkaError) -> None:
        # Whether a broker has the new protocol shows only here, when a group is joined with it.
        auto = self._settings.kafka_group_protocol == "auto"
        protocol = "classic" if auto else self._settings.first_group_protocol
        logger().warning("joining the group anew", protocol=protocol, error=error.str())
        self._consumer.close()
        self._put_back.clear()
        self._on_hold.clear()
        self.held.clear()
        self.unaligned.clear()
        self.marks.clear()
        self._ends.clear()
        self._taken_away = True
        self._join(protocol)


def tell_start(place: Partition, start: Start, committed_offset: int) -> None:
    """Log what is unusual about where the counting of a partition goes on."""
    (topic, partition), (_, mark, known, missing) = place, start
    if known is not None and known.topic_id not in (NO_TOPIC, mark.topic_id):
        message = "the topic was made again; its events are counted from the first"
    elif known is not None and known.next_offset > mark.next_offset:
        message = "the log was cut back; its events are counted from the first"
    elif mark.next_offset < committed_offset:
        message = "the metrics are behind the consumer group, as after a restore; events are counted again from there"
    else:
        message = ""
    if message:
        logger().error(
            message,
            topic=topic,
            partition=partition,
            committed_offset=committed_offset,
            counted_offset=mark.next_offset,
        )
    if missing:
        tell_missing(topic, partition, missing)


def tell_missing(topic: str, partition: int, missing: int) -> None:
    """Log that the log lost events before they were counted."""
    logger().error("events are missing from the log", topic=topic, partition=partition, missing=missing)
