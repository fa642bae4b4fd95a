"""Topic ids on a real broker: asked for every few seconds for as long as a process lives, they must cost no memory."""

from __future__ import annotations

import gc
import sys

from confluent_kafka import TopicCollection, Uuid

from runtime import kafka, topics
from runtime.settings import Settings
from stack.kafka import Kafka

ASK_SECONDS = 10.0
TIMES = 50


def ids_in_memory() -> int:
    """Count the client's ids; the collector follows each of them."""
    gc.collect()
    return sum(isinstance(one, Uuid) for one in gc.get_objects())


def test_asking_for_topic_ids_leaves_nothing_in_memory(broker: Kafka) -> None:
    client = kafka.admin(Settings(kafka_bootstrap=broker.bootstrap), "tests-ids")
    before = ids_in_memory()
    answers = [topics.describe(client, kafka.EVENT_TOPICS, ASK_SECONDS) for _ in range(TIMES)]
    assert ids_in_memory() == before
    assert all(answer == answers[0] and set(answer) == set(kafka.EVENT_TOPICS) for answer in answers)


def test_a_description_keeps_its_id_however_often_it_is_read(broker: Kafka) -> None:
    client = kafka.admin(Settings(kafka_bootstrap=broker.bootstrap), "tests-ids")
    asked = client.describe_topics(TopicCollection([kafka.ORDER_EVENTS]), request_timeout=ASK_SECONDS)
    description = asked[kafka.ORDER_EVENTS].result(ASK_SECONDS)
    assert len({topics.read_topic(description) for _ in range(TIMES)}) == 1
    references = sys.getrefcount(description.topic_id)
    # The description's own, and the argument.
    assert references == 2
