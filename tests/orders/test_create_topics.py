"""The program that creates topics waits for a cluster that has just started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException

from orders.create_topics import retried

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
