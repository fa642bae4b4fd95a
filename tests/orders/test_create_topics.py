"""The program that creates topics waits for a cluster that has just started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from created_topics import make_topics
from kafka_broker import running_broker
from seed import seeded_home
from waiting import await_true

from orders import create_topics
from orders.create_topics import retried
from runtime.kafka import clients
from runtime.kafka.access import OPERATOR, PUBLISHER, TOPICS
from stack.servers.kafka.broker import Kafka

# What a client has for answers from brokers that start, by the documentation of librdkafka's error codes.
STARTING = ("_ALL_BROKERS_DOWN", "_PARTIAL", "_RESOLVE", "_TIMED_OUT", "_TRANSPORT", "INVALID_REPLICATION_FACTOR")


def answers(*errors: str) -> Iterator[str]:
    yield from errors
    yield ""


def asked(names: Iterator[str]) -> str:
    name = next(names)
    if name:
        raise KafkaException(KafkaError(getattr(KafkaError, name)))
    return "answer"


@pytest.mark.parametrize("name", STARTING)
def test_an_error_of_a_cluster_that_starts_is_retried(name: str) -> None:
    errors = answers(name, name)
    assert retried(lambda: asked(errors)) == "answer"


@pytest.mark.parametrize("name", ["TOPIC_AUTHORIZATION_FAILED", "INVALID_PARTITIONS", "_AUTHENTICATION"])
def test_an_error_that_stays_is_not(name: str) -> None:
    errors = answers(name, name)
    with pytest.raises(KafkaException):
        retried(lambda: asked(errors))


@pytest.fixture
def broker() -> Iterator[Kafka]:
    """A broker of its own: tests that share one know how many partitions it has."""
    with seeded_home() as state, running_broker(state) as made:
        make_topics(clients.admin(made.client_settings(), "tests"), 1)
        yield made


def test_topics_with_fewer_partitions_get_more_and_none_loses_any(broker: Kafka) -> None:
    operator, publisher = (clients.admin(broker.client_settings(user), "tests") for user in (OPERATOR, PUBLISHER))

    def partitions() -> list[int]:
        there = operator.list_topics(timeout=10).topics
        return [len(there[name].partitions) for name in TOPICS]

    assert create_topics.add_partitions(publisher, 3) == []
    assert partitions() == [1, 1, 1, 1]
    assert create_topics.add_partitions(operator, 3) == list(TOPICS)
    await_true(lambda: partitions() == [3, 3, 3, 3], "the partitions are there")
    assert create_topics.add_partitions(operator, 2) == []
    assert partitions() == [3, 3, 3, 3]
