"""Reads the event topics as a member of the consumer group, from the positions that the database has."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.consume import reader_logging
from processor.consume.assignment import Assignment
from processor.consume.topic_metadata import TopicMetadata
from processor.events.batch import OffsetRange, place_of
from processor.events.resume_positions import Start
from processor.settings import WorkSettings
from runtime.kafka import clients, topics
from runtime.kafka.group_protocol import GroupProtocol
from runtime.kafka.offsets import Partition, PartitionOffsets, committed_offsets
from runtime.kafka.records.unreadable_batches import UnreadableBatches, is_unreadable
from runtime.kafka.renewed import Failures
from runtime.telemetry.logging import logger

# How long a first event waits for more events of the last fetch.
LINGER_SECONDS = 0.005
COMMITTED_TIMEOUT_SECONDS = 5.0
# How often the consumer is asked whether it finds Kafka, which costs it a request for the metadata of one topic.
CHECK_SECONDS, CHECK_TIMEOUT_SECONDS = 5.0, 1.0


class GroupReader:
    """A member of the consumer group; one thread uses it, and its callbacks run in that thread."""

    def __init__(self, settings: WorkSettings, client_id: str) -> None:
        self._settings, self._client_id = settings, client_id
        self.assignment = Assignment()
        self._metadata = TopicMetadata(settings, client_id)
        self._returned: list[Message] = []
        self._all_paused = self._was_revoked = False
        self._failures = Failures()
        self._checked_at = time.monotonic()
        self._join(settings.first_group_protocol)

    def _join(self, protocol: GroupProtocol) -> None:
        self._protocol: GroupProtocol = protocol
        self._consumer: Consumer = clients.consumer(
            self._settings, self._client_id, self._settings.processor_group, protocol
        )
        self._unreadable = UnreadableBatches(self._consumer, self._next_offset)
        self._consumer.subscribe(
            list(topics.EVENT_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    @property
    def _incremental(self) -> bool:
        """Whether partitions are taken away and given one by one, and not all at once."""
        return self._protocol == "consumer"

    def _next_offset(self, partition: Partition) -> int:
        position = self.assignment.positions.get(partition)
        return 0 if position is None else position.next_offset

    def read(self, max_events: int, wait_seconds: float) -> list[Message]:
        """Return available messages, blocking up to `wait_seconds` for the first; returned messages come first."""
        if time.monotonic() - self._checked_at >= CHECK_SECONDS:
            self._check_client()
        if self._returned:
            messages, self._returned = self.assignment.still_assigned(self._returned), []
            return messages
        first = self._consumer.poll(wait_seconds)
        if first is None:
            return []
        messages = [first]
        if max_events > 1:
            messages += self._consumer.consume(max_events - 1, LINGER_SECONDS)
        messages = self._records(messages)
        if self._was_revoked:
            self._was_revoked = False
            return self.assignment.still_assigned(messages)
        return messages

    def put_back(self, messages: Sequence[Message]) -> None:
        """Take messages back, to be read again next."""
        self._returned = list(messages)

    def committed(self) -> dict[Partition, int]:
        """Return the offsets that the group committed for the unaligned partitions. Raises KafkaException."""
        return committed_offsets(self._consumer, self.assignment.unaligned, COMMITTED_TIMEOUT_SECONDS)

    def offsets(self) -> dict[Partition, PartitionOffsets]:
        """Return the offsets of the unaligned partitions. Raises KafkaException, also when one does not exist."""
        return self._metadata.offsets_of(self.assignment.unaligned)

    def align(self, starts: Mapping[Partition, Start], committed: Mapping[Partition, int]) -> bool:
        """Seek to the positions of the database, and return whether the consumer was elsewhere.

        Then everything read so far is read again. The positions must have been read after `committed`, since an offset
        is committed after its transaction, and before the offsets of the log. Raises KafkaException, after which every
        partition is unaligned.
        """
        positions = self.assignment.positions
        moved = {each: start for each, start in starts.items() if positions.get(each) != start.read_from}
        for partition, start in moved.items():
            reader_logging.log_start(partition, start, committed.get(partition, 0))
        positions |= {each: start.read_from for each, start in starts.items()}
        self.assignment.unaligned.clear()
        if moved:
            try:
                self._seek_to_positions()
            except KafkaException:
                # Where the consumer is now is not known.
                self.assignment.reset_all()
                raise
            self._commit({each: start.read_from.next_offset for each, start in moved.items()})
        return bool(moved)

    def _seek_to_positions(self) -> None:
        self._unreadable.forget()
        self.assignment.forget_log_ends()
        self._returned.clear()
        positions = self.assignment.positions
        places = [TopicPartition(*each, positions[each].next_offset) for each in self.assignment.partitions]
        if self._incremental:
            self._consumer.incremental_unassign(self._consumer.assignment())
            self._consumer.incremental_assign(places)
        else:
            self._consumer.assign(places)
        self.pause(self.assignment.paused)

    def check_topic_ids(self) -> None:
        """Have the partitions of recreated topics compared with the database; does not block."""
        self.assignment.realign_recreated(self._metadata.refreshed_topic_ids())

    def counted(self, ranges: Mapping[Partition, OffsetRange]) -> None:
        """Advance past ranges that are counted, and log which of their events were deleted before."""
        self.assignment.advance(ranges)
        for (topic, partition), missing in self._metadata.deleted_in_gaps(ranges).items():
            reader_logging.log_missing_events(topic, partition, missing)

    def commit(self, ranges: Mapping[Partition, OffsetRange]) -> None:
        """Commit the group's offsets without waiting; a lost commit costs a replay."""
        self._commit({partition: covered.next_offset for partition, covered in ranges.items()})

    def _commit(self, next_offsets: Mapping[Partition, int]) -> None:
        places = [TopicPartition(*partition, offset) for partition, offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            logger().warning("offset commit failed", error=error)

    def wait(self, seconds: float) -> list[Message]:
        """Stay in the group without fetching; return the messages that arrived before the pause took effect."""
        if not self._all_paused:
            self._all_paused = True
            self._consumer.pause([TopicPartition(*each) for each in self.assignment.partitions])
        message = self._consumer.poll(seconds)
        return [] if message is None else self._records([message])

    def end_wait(self) -> None:
        """Fetch again after `wait`, except for paused partitions."""
        if self._all_paused:
            self._all_paused = False
            active = self.assignment.partitions - self.assignment.paused
            self._consumer.resume([TopicPartition(*each) for each in active])

    def pause(self, partitions: Collection[Partition]) -> None:
        """Stop fetching these partitions."""
        mine = self.assignment.partitions & set(partitions)
        self.assignment.paused |= mine
        self._consumer.pause([TopicPartition(*each) for each in mine])

    def resume(self, partitions: Collection[Partition]) -> None:
        """Fetch these partitions again."""
        mine = self.assignment.paused & set(partitions)
        self.assignment.paused -= mine
        self._consumer.resume([TopicPartition(*each) for each in mine])

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.assignment.add((at.topic, at.partition) for at in partitions)
        (consumer.incremental_assign if self._incremental else consumer.assign)(list(partitions))
        # The client remembers a pause of partitions that were taken away meanwhile.
        (consumer.pause if self._all_paused else consumer.resume)(list(partitions))
        if partitions:
            logger().info("partitions assigned", partitions=len(partitions))

    def _revoked(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        revoked = {(at.topic, at.partition) for at in partitions}
        self.assignment.remove(revoked)
        self._was_revoked = True
        self._unreadable.forget(revoked)
        logger().info("partitions revoked", partitions=len(revoked))

    def _records(self, messages: Sequence[Message]) -> list[Message]:
        """Handle the errors and partition ends among messages, and return the records.

        Records of batches that the client cannot read are among them: they are rejected.
        """
        if not self._unreadable.searching and all(message.error() is None for message in messages):
            # Nearly always, under load.
            return list(messages)
        messages = self._unreadable.with_records(messages)
        for message in messages:
            error = message.error()
            if error is None or is_unreadable(message):
                continue
            if error.code() == KafkaError._FATAL:
                # Whether a broker supports the new protocol shows only here, when a group is joined with it.
                auto = self._settings.kafka_group_protocol == "auto"
                self._rejoin("classic" if auto else self._settings.first_group_protocol, error)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.assignment.note_log_end(place_of(message)[:2], place_of(message)[2])
            else:
                reader_logging.log_consumer_error(error)
        return [message for message in messages if message.error() is None or is_unreadable(message)]

    def _check_client(self) -> None:
        """Have another consumer when this one does not find Kafka, which answers the client of the metadata."""
        self._checked_at = time.monotonic()
        try:
            self._consumer.list_topics(topics.ORDER_EVENTS, timeout=CHECK_TIMEOUT_SECONDS)
        except KafkaException as error:
            if self._failures.failed() and self._metadata.was_answered():
                self._rejoin(self._protocol, error.args[0])
        else:
            self._failures.succeeded()

    def _rejoin(self, protocol: GroupProtocol, error: KafkaError) -> None:
        logger().warning("rejoining the consumer group", protocol=protocol, error=error)
        self._consumer.close()
        self._returned.clear()
        self.assignment.clear()
        self._was_revoked = True
        self._join(protocol)
