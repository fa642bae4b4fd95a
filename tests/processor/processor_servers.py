"""The analytics database as new, and a broker with the topics of events."""

from collections.abc import Iterator
from dataclasses import dataclass

import kafka_broker
import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from created_topics import make_topics
from waiting import await_true

from runtime.kafka.clients import admin
from runtime.kafka.topics import EVENT_TOPICS
from stack.machine.state_folder import StateFolder
from stack.servers.kafka.broker import Kafka

PARTITIONS = 12
# Much faster than a copy of a template database.
AS_NEW = (
    "TRUNCATE processed_events, sales_metrics, partition_progress, dead_letter, worker_heartbeat, worker_crash,"
    " paused_partition, event_ledger, event_ledger_change, order_ledger, order_ledger_change,"
    " compared_metric_day, changed_metric_day"
)


@dataclass(frozen=True)
class Analytics:
    """The analytics database, as each role reaches it."""

    admin: str
    owner: str
    worker: str
    reader: str

    def clear(self) -> None:
        """Make the database as new."""
        with psycopg.connect(self.owner) as connection:
            connection.execute(AS_NEW)


def running_broker(state: StateFolder) -> Iterator[Kafka]:
    """Run a broker with the topics that the platform needs."""
    with kafka_broker.running_broker(state) as made:
        client = admin(made.client_settings(), "tests")
        make_topics(client, PARTITIONS)
        await_true(lambda: None not in ends(client).values(), "every partition has its leader")
        yield made


def ends(client: AdminClient) -> dict[TopicPartition, int | None]:
    """Return the end of each partition of the topics of events, None where it has no leader yet."""
    places = [TopicPartition(topic, partition) for topic in EVENT_TOPICS for partition in range(PARTITIONS)]
    asked = client.list_offsets({place: OffsetSpec.latest() for place in places})
    return {place: None if one.exception() else one.result().offset for place, one in asked.items()}
