"""What operators and other producers do to a log: recreated topics, transactions, deleted records, compaction."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import OFFSET_BEGINNING, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from processor_world import World, await_done, topic_and_key
from waiting import PATIENCE_SECONDS

from runtime.kafka import clients, offsets, topics

Events = Sequence[OrderEvent | StockEvent]


class Operator:
    """Changes the log of a world."""

    def __init__(self, world: World, partitions: int) -> None:
        self.world = world
        self._partitions = partitions
        self._admin: AdminClient = clients.admin(world.settings, "tests-operator")

    def make_again(self, *names: str) -> None:
        """Delete topics and make them again."""
        for done in self._admin.delete_topics(list(names)).values():
            done.result(PATIENCE_SECONDS)
        for name in names:
            await_done(lambda name=name: self._create(name))
        await_done(lambda: self._ends(names))

    def _create(self, name: str) -> None:
        wanted = NewTopic(name, num_partitions=self._partitions, replication_factor=1)
        self._admin.create_topics([wanted])[name].result(PATIENCE_SECONDS)

    def _ends(self, names: Sequence[str]) -> dict[tuple[str, int], int]:
        places = [(name, number) for name in names for number in range(self._partitions)]
        return offsets.log_end_offsets(self._admin, places, 5.0)

    def ends(self) -> dict[tuple[str, int], int]:
        """Return the ends of the log."""
        return self._ends(topics.EVENT_TOPICS)

    def transaction(self, *parts: Events, abort: bool = False) -> None:
        """Write events in transactions, one after the other."""
        producer = self.transactional_producer()
        for events in parts:
            self.begin(producer, events)
            (producer.abort_transaction if abort else producer.commit_transaction)(PATIENCE_SECONDS)

    def transactional_producer(self) -> Producer:
        """Return a producer of transactions, as others than ours are."""
        base = clients.base_config(self.world.settings, "tests-transactions")
        producer = Producer({**base, "transactional.id": f"tests-{id(self)}", "partitioner": "murmur2"})
        producer.init_transactions(PATIENCE_SECONDS)
        return producer

    def begin(self, producer: Producer, events: Events) -> None:
        """Write events in a transaction that stays open."""
        producer.begin_transaction()
        for event in events:
            topic, key = topic_and_key(event)
            producer.produce(topic, value=event.SerializeToString(), key=key)
        assert producer.flush(PATIENCE_SECONDS) == 0

    def delete_records(self, places: dict[tuple[str, int], int]) -> None:
        """Delete the records before offsets."""
        asked = [TopicPartition(*place, offset) for place, offset in places.items()]
        for done in self._admin.delete_records(asked).values():
            done.result(PATIENCE_SECONDS)

    def held(self, place: tuple[str, int]) -> int:
        """Count the records that a partition holds, by reading them."""
        consumer = clients.consumer(self.world.settings, "tests-held", "tests-held")
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING)])
        found = 0
        while (message := consumer.poll(PATIENCE_SECONDS)) is not None and message.error() is None:
            found += 1
        consumer.close()
        assert message is not None
        return found

    def configure(self, kind: ResourceType, name: str, **settings: str | None) -> None:
        """Set dynamic settings of a topic or of the broker; None takes one back."""
        entries = [
            ConfigEntry(
                key.replace("_", "."),
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for key, value in settings.items()
        ]
        asked = [ConfigResource(kind, name, incremental_configs=entries)]
        for done in self._admin.incremental_alter_configs(asked).values():
            done.result(PATIENCE_SECONDS)
