"""Reads the topics of events as a member of the consumer group, and knows which partitions are held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.batch import Partition, Span, place_of
from processor.settings import WorkSettings
from runtime import kafka
from runtime.group_protocol import GroupProtocol
from runtime.logging import logger

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
        self._expected: dict[Partition, int] = {}
        self._paused = self._taken_away = False
        self._join(settings.first_group_protocol)

    def _join(self, protocol: GroupProtocol) -> None:
        self._incremental = protocol == "consumer"
        self._consumer: Consumer = kafka.consumer(
            self._settings, self._client_id, self._settings.processor_group, protocol
        )
        self._consumer.subscribe(
            list(kafka.EVENT_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def read(self, max_events: int, wait_seconds: float) -> list[Message]:
        """Return what is there, blocking for `wait_seconds` when nothing is."""
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

    def committed(self) -> dict[Partition, int]:
        """Return how far the group says that the unaligned partitions are counted. Raises KafkaException."""
        partitions = [TopicPartition(*partition) for partition in self.unaligned]
        found = self._consumer.committed(partitions, COMMITTED_TIMEOUT_SECONDS) if partitions else []
        return {(at.topic, at.partition): max(at.offset, 0) for at in found}

    def align(self, committed: Mapping[Partition, int], counted: Mapping[Partition, int]) -> bool:
        """Go back where the database has counted less than the group says, and say whether that was needed.

        Then everything read so far is read again. `committed` must have been asked for before `counted`, since a mark
        is committed after its transaction.
        """
        behind = {place: counted.get(place, 0) for place, offset in committed.items() if counted.get(place, 0) < offset}
        for (topic, partition), offset in behind.items():
            logger().error(
                "the metrics are behind the consumer group, as after a restore; events are counted again from there",
                topic=topic,
                partition=partition,
                committed_offset=committed[topic, partition],
                counted_offset=offset,
            )
        self._expected |= {**committed, **behind}
        self.unaligned.clear()
        if behind:
            self._start_again([TopicPartition(*held, behind.get(held, OFFSET_STORED)) for held in self.held])
        return bool(behind)

    def _start_again(self, places: list[TopicPartition]) -> None:
        if self._incremental:
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
        else:
            self._consumer.assign(places)

    def realign(self) -> None:
        """Have every partition compared with the database again, which may be another one after an outage."""
        self.unaligned |= self.held

    def tell_gaps(self, spans: Mapping[Partition, Span]) -> None:
        """Log the events that the log no longer had, as after its retention or a topic that was made anew."""
        for (topic, partition), span in spans.items():
            expected = self._expected.get((topic, partition), span.first_offset)
            missing = max(span.first_offset - expected, 0) + span.missing
            if missing:
                logger().error(
                    "events are missing from the log",
                    topic=topic,
                    partition=partition,
                    expected_offset=expected,
                    next_offset=span.next_offset,
                    missing=missing,
                )
            self._expected[topic, partition] = span.next_offset

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
            self._consumer.resume([TopicPartition(*held) for held in self.held])

    def commit(self, spans: Mapping[Partition, Span]) -> None:
        """Tell the group how far its partitions are counted, without waiting; a mark that is lost costs a replay."""
        marks = [TopicPartition(*partition, span.next_offset) for partition, span in spans.items()]
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
        self._on_trial = False
        if self._paused:
            consumer.pause(list(partitions))
        if new:
            logger().info("partitions assigned", partitions=len(new))

    def _revoked(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        gone = {(at.topic, at.partition) for at in partitions}
        self.held -= gone
        self._taken_away = True
        self.unaligned -= gone
        for partition in gone:
            self._expected.pop(partition, None)
        logger().info("partitions revoked", partitions=len(gone))

    def _readable(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages without the errors among them, which are dealt with."""
        for error in filter(None, (message.error() for message in messages)):
            if error.code() == KafkaError._FATAL:
                self._join_anew(error)
            else:
                level = "error" if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else "warning"
                getattr(logger(), level)("reading from kafka", error=error.str(), code=error.name())
        return [message for message in messages if message.error() is None]

    def _join_anew(self, error: KafkaError) -> None:
        # Whether a broker has the new protocol shows only here, when a group is joined with it.
        auto = self._settings.kafka_group_protocol == "auto"
        protocol = "classic" if auto else self._settings.first_group_protocol
        logger().warning("joining the group anew", protocol=protocol, error=error.str())
        self._consumer.close()
        self.held.clear()
        self.unaligned.clear()
        self._expected.clear()
        self._taken_away = True
        self._join(protocol)
