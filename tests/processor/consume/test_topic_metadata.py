"""Topic ids on a real broker: asked for every few seconds for as long as a process lives, they must cost no memory."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from confluent_kafka import TopicCollection, Uuid
from lost_clients import NOBODY, lose_first
from structlog.testing import capture_logs
from waiting import await_true

from processor.consume import topic_metadata
from processor.consume.topic_metadata import TopicMetadata
from runtime.kafka import clients, offsets, topics
from runtime.kafka.access import PROCESSOR
from runtime.kafka.settings import KafkaSettings
from stack.servers.kafka.broker import Kafka

ASK_SECONDS = 10.0
TIMES = 50


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Keep the collector away, as it is while a worker works."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ids_in_memory() -> int:
    """Count the client's ids; the collector follows each of them."""
    gc.collect()
    return sum(isinstance(one, Uuid) for one in gc.get_objects())


def test_reading_topic_ids_leaks_no_memory(broker: Kafka) -> None:
    client = clients.admin(broker.client_settings(PROCESSOR), "tests-ids")
    before = ids_in_memory()
    answers = [offsets.describe_topics(client, topics.EVENT_TOPICS, ASK_SECONDS) for _ in range(TIMES)]
    assert ids_in_memory() == before
    assert all(answer == answers[0] and set(answer) == set(topics.EVENT_TOPICS) for answer in answers)


def test_a_description_keeps_its_id_however_often_it_is_read(broker: Kafka) -> None:
    client = clients.admin(broker.client_settings(PROCESSOR), "tests-ids")
    asked = client.describe_topics(TopicCollection([topics.ORDER_EVENTS]), request_timeout=ASK_SECONDS)
    description = asked[topics.ORDER_EVENTS].result(ASK_SECONDS)
    assert len({offsets.read_topic(description) for _ in range(TIMES)}) == 1
    references = sys.getrefcount(description.topic_id)
    # The description's own, and the argument.
    assert references == 2


@pytest.mark.usefixtures("uncollected")
def test_failed_requests_leak_no_memory_and_are_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_metadata, "PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(topic_metadata, "TIMEOUT_SECONDS", 0.01)
    metadata = TopicMetadata(KafkaSettings(kafka_bootstrap=NOBODY), "tests-ids")
    with capture_logs() as logs:
        for _ in range(TIMES):
            ask_once(metadata)
    assert sum(isinstance(one, Future) for one in gc.get_objects()) < TIMES
    errors = [(line["event"], line["work"]) for line in logs if line["log_level"] == "error"]
    assert errors == [("outage began", "reading topic ids")]


def ask_once(metadata: TopicMetadata) -> None:
    """Ask, and wait until the answer is taken."""
    give_up = time.monotonic() + ASK_SECONDS
    metadata.refreshed_topic_ids()
    asked = list(metadata._asked.values())
    for future in asked:
        future.exception(give_up - time.monotonic())
    assert metadata.refreshed_topic_ids() == {}


def test_log_messages_of_the_client_are_consumed_while_kafka_is_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of a day must not end with a day's log lines in memory."""
    monkeypatch.setattr(topic_metadata, "PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(topic_metadata, "TIMEOUT_SECONDS", 0.01)
    metadata = TopicMetadata(KafkaSettings(kafka_bootstrap=NOBODY), "tests-ids")
    give_up = time.monotonic() + ASK_SECONDS
    with caplog.at_level("DEBUG", logger=clients.LIBRARY_LOG.name):
        while not any("-metadata" in record.getMessage() for record in caplog.records):
            assert time.monotonic() < give_up
            ask_once(metadata)


def test_a_client_that_lost_kafka_is_replaced(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_first(monkeypatch, "admin")
    monkeypatch.setattr(topic_metadata, "PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(topic_metadata, "TIMEOUT_SECONDS", 1.0)
    metadata = TopicMetadata(broker.client_settings(PROCESSOR), "tests-ids")
    await_true(lambda: set(metadata.refreshed_topic_ids()) == set(topics.EVENT_TOPICS), "topic ids are read")
