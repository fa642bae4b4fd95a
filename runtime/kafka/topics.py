"""The topics: their names, the event types of each, and how they are created."""

from __future__ import annotations

from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from ordermesh.events.v1.events_pb2 import RESTOCK_REQUESTED

from runtime.kafka.errors import denial_as_permission_error

ORDER_EVENTS = "order-events"
STOCK = "stock"
ORDER_EVENTS_DLQ = "order-events.dlq"
STOCK_DLQ = "stock.dlq"
EVENT_TOPICS = (ORDER_EVENTS, STOCK)
DEAD_LETTER_TOPICS = {ORDER_EVENTS: ORDER_EVENTS_DLQ, STOCK: STOCK_DLQ}
CONTENT_TYPES = {
    ORDER_EVENTS: b"application/x-protobuf; type=ordermesh.events.v1.OrderEvent",
    STOCK: b"application/x-protobuf; type=ordermesh.events.v1.StockEvent",
}
# Event types from this number on belong to the topic stock.
FIRST_STOCK_TYPE = RESTOCK_REQUESTED
# A broker that was just started on a busy machine is slow to answer.
ADMIN_TIMEOUT_SECONDS = 30.0
# Twice the default limit: a dead letter is its event with more headers. Dead letters are kept without a time limit.
MAX_DEAD_LETTER_BYTES = 2 * 1_048_588
DEAD_LETTER_CONFIG = {"max.message.bytes": str(MAX_DEAD_LETTER_BYTES), "retention.ms": "-1", "retention.bytes": "-1"}


def topic_of(event_type: int) -> str:
    """Return the topic that carries events of a type."""
    return STOCK if event_type >= FIRST_STOCK_TYPE else ORDER_EVENTS


def create_topics(client: AdminClient, partitions: int, replication: int, min_isr: int | None = None) -> list[str]:
    """Create the missing topics and return their names.

    Raises PermissionError when a topic is missing and may not be created, KafkaException when the cluster refuses.
    """
    there = client.list_topics(timeout=ADMIN_TIMEOUT_SECONDS).topics
    durable = {} if min_isr is None else {"min.insync.replicas": str(min_isr)}
    wanted = [
        NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=replication,
            config=durable if name in EVENT_TOPICS else durable | DEAD_LETTER_CONFIG,
        )
        for name in (*EVENT_TOPICS, *DEAD_LETTER_TOPICS.values())
        if name not in there
    ]
    if not wanted:
        return []
    answers = client.create_topics(wanted, request_timeout=ADMIN_TIMEOUT_SECONDS)
    return [name for name, future in answers.items() if is_new(name, future)]


def add_partitions(client: AdminClient, partitions: int) -> list[str]:
    """Give each of our topics at least so many partitions, and return the names of those that had fewer.

    Raises PermissionError when the user may not change them, KafkaException when the cluster refuses.
    """
    there = client.list_topics(timeout=ADMIN_TIMEOUT_SECONDS).topics
    ours = [name for name in (*EVENT_TOPICS, *DEAD_LETTER_TOPICS.values()) if name in there]
    # None are known of a topic that was created this moment.
    fewer = [name for name in ours if 0 < len(there[name].partitions) < partitions]
    if fewer:
        wanted = [NewPartitions(name, partitions) for name in fewer]
        with denial_as_permission_error(f"the user may not add partitions to {', '.join(fewer)}"):
            for done in client.create_partitions(wanted, request_timeout=ADMIN_TIMEOUT_SECONDS).values():
                done.result()
    return fewer


def is_new(name: str, future: Future[None]) -> bool:
    """Wait for a topic's creation; return False if it existed already. Raises PermissionError and KafkaException."""
    try:
        with denial_as_permission_error(f"the topic {name} is missing, and the user may not create it"):
            future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
