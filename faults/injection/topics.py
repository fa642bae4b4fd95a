"""What is done to topics and offsets from outside, and the replay of what was lost with a topic."""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Any

import psycopg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import KafkaException, NewTopic

from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings

EVENT_TOPICS = ("order-events", "stock")
GROUP = "ordermesh-metrics"
BEGINNING, END = OffsetSpec.earliest, OffsetSpec.latest
TIMEOUT_SECONDS = 30.0
BATCH = 1_000


def partitions(client: AdminClient) -> list[tuple[str, int]]:
    """Return the partitions of the event topics."""
    known = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    return [(topic, number) for topic in EVENT_TOPICS for number in known[topic].partitions]


def offsets(client: AdminClient, end: Any) -> dict[tuple[str, int], int]:
    """Return the first or the next offset of each partition."""
    asked = client.list_offsets({TopicPartition(*place): end() for place in partitions(client)})
    return {(place.topic, place.partition): future.result(TIMEOUT_SECONDS).offset for place, future in asked.items()}


def set_offsets(settings: KafkaSettings, end: Any) -> None:
    """Set the offsets of the processor's group, which has no member; waits until the broker knows that."""
    client = clients.admin(settings, "faults")
    places = [TopicPartition(*place, offset) for place, offset in offsets(client, end).items()]
    limit = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            for done in client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP, places)]).values():
                done.result(TIMEOUT_SECONDS)
        except KafkaException:
            if time.monotonic() > limit:
                raise
            time.sleep(0.5)
        else:
            return


def recreate(settings: KafkaSettings, topic: str, replicas: int) -> None:
    """Delete a topic with all its events, and create it again."""
    client = clients.admin(settings, "faults")
    client.delete_topics([topic])[topic].result(TIMEOUT_SECONDS)
    limit = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            client.create_topics([NewTopic(topic, 12, replicas)])[topic].result(TIMEOUT_SECONDS)
        except KafkaException:
            if time.monotonic() > limit:
                raise
            time.sleep(0.2)
        else:
            return


def publish_again(settings: KafkaSettings, most: int, garbage: Set[tuple[str, int, int]]) -> int:
    """Write the last records of every partition again, byte for byte, except for garbage; return how many.

    Garbage is told by topic, partition and offset: its copies would be further dead letters.
    """
    client = clients.admin(settings, "faults")
    ends, begins = offsets(client, END), offsets(client, BEGINNING)
    each = most // len(ends)
    starts = {place: max(begins[place], end - each) for place, end in ends.items()}
    left = {place for place, end in ends.items() if starts[place] < end}
    consumer = clients.silent_consumer(settings, "faults", "fault-copies")
    producer = Producer({**clients.base_config(settings, "faults"), "enable.idempotence": True})
    consumer.assign([TopicPartition(*place, starts[place]) for place in left])
    sent = 0
    while left:
        for message in consumer.consume(BATCH, 1.0):
            place = (message.topic() or "", message.partition() or 0)
            offset = message.offset() or 0
            if message.error() is None and offset < ends[place] and (*place, offset) not in garbage:
                headers: Any = message.headers()
                producer.produce(place[0], message.value(), message.key(), partition=place[1], headers=headers)
                sent += 1
        left = {place for place in left if position(consumer, place) < ends[place]}
    consumer.close()
    if producer.flush(TIMEOUT_SECONDS):
        raise TimeoutError("the broker did not take the copies")
    return sent


def position(consumer: Consumer, place: tuple[str, int]) -> int:
    """Return the next offset that a consumer reads."""
    return int(consumer.position([TopicPartition(*place)])[0].offset)


def replay_uncounted(orders_dsn: str, analytics_dsn: str) -> int:
    """Have events of the outbox published again that are marked as sent and not counted; return how many."""
    with psycopg.connect(analytics_dsn) as analytics:
        counted = {row[0] for row in analytics.execute("SELECT event_id::text FROM processed_events")}
    with psycopg.connect(orders_dsn) as orders:
        sent = orders.execute("SELECT id, event_id::text FROM event_outbox WHERE status = 'SENT'").fetchall()
        lost = [number for number, event_id in sent if event_id not in counted]
        orders.execute("UPDATE event_outbox SET status = 'NEW', sent_at = NULL WHERE id = ANY(%s)", [lost])
        orders.execute("UPDATE outbox_shard SET floor_id = 0, candidate_id = 0")
        orders.execute("NOTIFY event_outbox")
    return len(lost)
