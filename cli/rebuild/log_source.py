"""Rebuilds from Kafka: all events that the topics hold, up to where the workers have counted."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cli.output.formats import event_count
from cli.rebuild.source import NotRebuilt, Rebuilt
from cli.repair.progress import ProgressLine
from cli.target import use_local_kafka
from processor.counting.deltas import Tally
from processor.events.decode import decode
from processor.events.event import ANY_TIME, Event
from processor.repair import rebuild
from runtime.kafka import clients, offsets
from runtime.kafka.offsets import Partition
from runtime.kafka.settings import GroupSettings
from runtime.postgres.connection_types import Connection

NAME = "ordermesh-rebuild"
TIMEOUT_SECONDS = 10.0
BATCH_EVENTS = 2_000
SILENT_READS = 50
READ_SECONDS = 0.2


class LogSource:
    """The topics. What they have deleted is missing, as a dry run shows."""

    def __init__(self, analytics: Connection) -> None:
        self._analytics = analytics
        use_local_kafka()
        self._settings = GroupSettings.load()
        self._next: dict[Partition, int] = {}
        self._tally = Tally()

    def fill(self) -> None:
        """Insert the events up to the present positions of the workers."""
        self._next = self._read(self._tally)

    def finish(self) -> Rebuilt:
        """Insert the events that workers have counted since, and sum all of them up."""
        tally = copy.deepcopy(self._tally)
        self._read(tally)
        rebuild.clear_sums(self._analytics)
        rebuild.sum_up(self._analytics)
        sales = {product: (units, revenue_minor) for product, (units, revenue_minor) in tally.products.items()}
        return Rebuilt(sales, *rebuild.coverage(self._analytics))

    def _read(self, tally: Tally) -> dict[Partition, int]:
        """Insert the events that were not read yet, add them, and return the positions up to which they are read."""
        ends = self._ends()
        starts = {place: self._next[place] for place, end in ends.items() if self._next[place] < end}
        progress, events = ProgressLine(), 0
        for messages in read(self._settings, starts, ends):
            tally.add(self._insert(messages))
            events += len(messages)
            progress.show(f"{event_count(events)} read from Kafka")
        progress.clear()
        return ends

    def _ends(self) -> dict[Partition, int]:
        """Return the positions of the workers, and note where partitions begin. Raises NotRebuilt."""
        recorded = rebuild.positions(self._analytics)
        client = clients.silent_admin(self._settings, NAME)
        logs = offsets.partition_offsets(client, recorded, TIMEOUT_SECONDS)
        for place, (topic_id, _) in recorded.items():
            if place not in logs or logs[place].topic_id != topic_id:
                raise NotRebuilt(f"{place[0]}/{place[1]} is not the partition that was counted: wait for the processor")
            self._next.setdefault(place, logs[place].start_offset)
        return {place: offset for place, (_, offset) in recorded.items()}

    def _insert(self, messages: list[Message]) -> list[Event]:
        """Insert the events among messages, and return the new ones."""
        decoded = [(decode(str(m.topic()), m.key(), m.value(), ANY_TIME), m) for m in messages]
        found = {event.event_id: (event, place_of(m)) for event, m in decoded if isinstance(event, Event)}
        events, places = [event for event, _ in found.values()], [place for _, place in found.values()]
        return [found[event_id][0] for event_id in rebuild.insert(self._analytics, events, places)]


def place_of(message: Message) -> tuple[int, int]:
    """Return partition and offset of a message."""
    return message.partition() or 0, message.offset() or 0


def read(
    settings: GroupSettings, starts: Mapping[Partition, int], ends: Mapping[Partition, int]
) -> Iterator[list[Message]]:
    """Yield the messages from starts to before ends. Raises KafkaException."""
    if not starts:
        return
    own: clients.Config = {"enable.partition.eof": True, "auto.offset.reset": "error"}
    consumer = clients.silent_consumer(settings, NAME, settings.processor_group, own)
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        yield from until(consumer, set(starts), ends)
    finally:
        consumer.close()


def until(consumer: Consumer, left: set[Partition], ends: Mapping[Partition, int]) -> Iterator[list[Message]]:
    """Yield messages until each partition has come to its end. Raises KafkaException."""
    silent = 0
    while left:
        messages = consumer.consume(BATCH_EVENTS, READ_SECONDS)
        silent = 0 if messages else silent + 1
        if silent == SILENT_READS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no messages from the brokers"))
        wanted = []
        for message in messages:
            place, (_, offset) = (str(message.topic()), message.partition() or 0), place_of(message)
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if offset >= ends[place] - 1:
                left.discard(place)
            if error is None and offset < ends[place]:
                wanted.append(message)
        yield wanted
