"""What breaks under a load of orders, one after the other on one stack; after each, both ends agree to the cent."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from faulted import PATIENCE_SECONDS, Faulted
from kafka_broker import config

from runtime.kafka.access import OPERATOR
from runtime.kafka.settings import KafkaSettings

# Each fault is waited for, then loaded on, then proved, which takes its time where others work too.
pytestmark = pytest.mark.timeout(900)
REPLAYED_EVENTS = 2_000


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_an_orders_process_is_killed(faulted: Faulted, protocol: str) -> None:
    with faulted.loaded(protocol):
        victim = faulted.serving()[0]
        served = faulted.log_count("orders", "serving")
        os.kill(victim, signal.SIGKILL)
        faulted.await_stored(100)
        faulted.stack.wait_until(
            lambda: faulted.log_count("orders", "serving") > served, PATIENCE_SECONDS, "another process serves"
        )
        assert len(faulted.serving()) == 2
        faulted.await_stored(100)


def test_the_publisher_is_killed_and_is_stopped_for_a_while(faulted: Faulted) -> None:
    with faulted.loaded("grpc"):
        restarts = faulted.stack.kill("publisher")
        faulted.stack.await_restart("publisher", restarts)
        faulted.await_counted(100)
        faulted.stack.kill("publisher", signal.SIGSTOP)
        faulted.await_stored(600)
        faulted.stack.kill("publisher", signal.SIGCONT)


def test_a_worker_is_killed(faulted: Faulted) -> None:
    with faulted.loaded():
        victim = faulted.stack.children("processor")[0]
        started = faulted.log_count("processor", "child started")
        os.kill(victim, signal.SIGKILL)
        faulted.stack.wait_until(
            lambda: faulted.log_count("processor", "child started") > started,
            PATIENCE_SECONDS,
            "another worker was started",
        )
        faulted.await_counted(100)


def test_the_supervisor_of_the_workers_is_killed_and_leaves_no_orphan(faulted: Faulted) -> None:
    with faulted.loaded("grpc"):
        workers = faulted.stack.children("processor")
        assert len(workers) == 2
        restarts = faulted.stack.kill("processor")
        faulted.stack.wait_until(
            lambda: faulted.gone(workers), PATIENCE_SECONDS, "the workers ended with their supervisor"
        )
        faulted.stack.await_restart("processor", restarts)
        faulted.await_counted(100)


def test_kafka_is_killed_and_orders_are_still_accepted(faulted: Faulted) -> None:
    with faulted.loaded("grpc") as load:
        restarts = faulted.stack.kill("kafka")
        faulted.await_stored(200)
        faulted.stack.await_restart("kafka", restarts)
        faulted.await_counted(100)
    # What a busy machine could not send is not Kafka's fault.
    assert load.result["errors"] == {}


def test_postgres_is_killed_and_what_was_acknowledged_is_there(faulted: Faulted) -> None:
    with faulted.loaded(max_error_share=0.5):
        restarts = faulted.stack.kill("postgres")
        faulted.stack.await_restart("postgres", restarts)
        faulted.await_stored(200)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_rolling_restart_of_orders_fails_no_request(faulted: Faulted, protocol: str) -> None:
    with faulted.loaded(protocol) as load:
        for victim in faulted.serving():
            served = faulted.log_count("orders", "serving")
            os.kill(victim, signal.SIGTERM)
            faulted.stack.wait_until(
                lambda served=served: faulted.log_count("orders", "serving") > served,
                PATIENCE_SECONDS,
                "another process serves",
            )
            faulted.await_stored(200)
    assert (load.result["errors"], load.result["retries"]) == ({}, {}), faulted.refusals()


def test_envoy_is_killed_and_clients_come_back(faulted: Faulted) -> None:
    with faulted.loaded():
        restarts = faulted.stack.kill("envoy")
        faulted.stack.await_restart("envoy", restarts)
        faulted.await_stored(100)


def test_the_last_events_are_sent_again_and_nothing_is_counted_twice(faulted: Faulted) -> None:
    with faulted.loaded("grpc"):
        sent = replay(faulted.stack.context.kafka_settings(OPERATOR), REPLAYED_EVENTS)
        assert sent > 100
        before = faulted.counted()
        faulted.await_counted(100)
    assert faulted.counted() == faulted.stored() > before


def replay(settings: KafkaSettings, limit: int) -> int:
    """Write the last events of every partition again, as they are, and return how many."""
    topic = "order-events"
    places = [TopicPartition(topic, number) for number in range(12)]
    admin = AdminClient(config(settings))
    ends: dict[int, int] = {}
    for place, future in admin.list_offsets({place: OffsetSpec.latest() for place in places}).items():
        ends[place.partition] = future.result().offset
    each = limit // len(places)
    consumer = Consumer({**config(settings), "group.id": "replay", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, max(0, end - each)) for number, end in ends.items()])
    wanted = sum(min(each, end) for end in ends.values())
    producer = Producer(config(settings))
    sent = 0
    while sent < wanted:
        for message in consumer.consume(500, 1.0):
            headers: Any = message.headers()
            if sent < wanted:
                producer.produce(
                    topic, message.value(), message.key(), partition=message.partition() or 0, headers=headers
                )
            sent += 1
    assert producer.flush(30) == 0
    consumer.close()
    return sent
