"""Reads the event topics with a consumer of its own, and keeps what it read, also when a topic is deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent

from runtime.kafka.settings import KafkaSettings

ORDER_EVENTS, STOCK = "order-events", "stock"
MESSAGES: dict[str, type[OrderEvent] | type[StockEvent]] = {ORDER_EVENTS: OrderEvent, STOCK: StockEvent}
TIMEOUT_SECONDS = 10.0
LEADER_SECONDS = 30.0
BATCH = 5_000


@dataclass(frozen=True)
class Record:
    """An event as it stands in the log. `generation` counts how often its topic was deleted before."""

    topic: str
    generation: int
    partition: int
    offset: int
    key: str
    event: OrderEvent | StockEvent


class LogReader:
    """Keeps every event that was ever in the log. Records that are no events are kept apart, as their number."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self.records: list[Record] = []
        self.other_records = 0
        self._next: dict[tuple[str, int], int] = {}
        self._generation = 0

    def read(self) -> None:
        """Read to the present end, again while leaders move. Raises KafkaException after LEADER_SECONDS."""
        limit = time.monotonic() + LEADER_SECONDS
        while True:
            try:
                self._read()
            except KafkaException:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.5)
            else:
                return

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._settings.kafka_bootstrap,
                **self._settings.kafka_properties,
                "group.id": "fault-oracle",
                "enable.auto.commit": False,
                "enable.partition.eof": False,
                "log_level": 0,
            }
        )
        try:
            ends = self._ends(consumer)
            places = [TopicPartition(*place, self._next.get(place, 0)) for place in ends]
            behind = {place for place, end in ends.items() if self._next.get(place, 0) < end}
            consumer.assign([place for place in places if (place.topic, place.partition) in behind])
            while behind:
                for message in consumer.consume(BATCH, 1.0):
                    if message.error() is not None:
                        raise KafkaException(message.error())
                    self._keep(message)
                # Holes at the end of a partition are passed by the position only.
                for place in consumer.position([TopicPartition(*one) for one in behind]):
                    key = (place.topic, place.partition)
                    self._next[key] = max(self._next.get(key, 0), place.offset)
                behind = {place for place in behind if self._next.get(place, 0) < ends[place]}
        finally:
            consumer.close()

    def begin_again(self) -> None:
        """Note that the topics were deleted: they are read from their beginning, beside what is known."""
        self._next.clear()
        self._generation += 1

    def _ends(self, consumer: Consumer) -> dict[tuple[str, int], int]:
        known = consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
        places = [(topic, number) for topic in MESSAGES if topic in known for number in known[topic].partitions]
        return {
            place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=TIMEOUT_SECONDS)[1]
            for place in places
        }

    def _keep(self, message: Any) -> None:
        topic = message.topic()
        self._next[topic, message.partition()] = message.offset() + 1
        try:
            event = MESSAGES[topic].FromString(message.value() or b"")
            key = (message.key() or b"").decode()
        except (DecodeError, UnicodeDecodeError):
            event, key = MESSAGES[topic](), ""
        owner = event.order_id if isinstance(event, OrderEvent) else event.product_id
        known = event.event_id and event.WhichOneof("payload") is not None and event.schema_version == 1
        if not known or key != owner:
            self.other_records += 1
            return
        self.records.append(Record(topic, self._generation, message.partition(), message.offset(), key, event))
