"""What the gateway reads from a real Kafka: ends, commits, lag and dead letters."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from created_topics import make_topics
from kafka_broker import running_broker
from lost_clients import lose_first
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition
from seed import seeded_home

from gateway.backends.event_topics import EventLog, ReadPositions
from gateway.backends.topic_state import LogState, lag
from gateway.pipeline import kafka_metrics
from runtime.kafka import clients, topics
from runtime.kafka.access import GATEWAY
from runtime.kafka.settings import KafkaSettings
from runtime.telemetry.metrics.readings import READINGS
from stack.machine import ports
from stack.servers.kafka.broker import Kafka

GROUP = "ordermesh-metrics"


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    with seeded_home() as state, running_broker(state) as made:
        yield made


@pytest.fixture(scope="module")
def kafka_settings(broker: Kafka) -> KafkaSettings:
    return broker.client_settings()


@pytest.fixture(scope="module")
def log(broker: Kafka) -> Iterator[EventLog]:
    made = EventLog(broker.client_settings(GATEWAY), GROUP)
    yield made
    made.close()


def produce(kafka_settings: KafkaSettings, topic: str, count: int) -> None:
    producer = clients.producer(kafka_settings, "test")
    for number in range(count):
        producer.produce(topic, key=str(number), value=b"x")
    producer.flush(10)


def commit(kafka_settings: KafkaSettings, offsets: dict[tuple[str, int], int]) -> None:
    consumer: Consumer = clients.consumer(kafka_settings, "test", GROUP)
    wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
    consumer.commit(offsets=wanted, asynchronous=False)
    consumer.close()


async def test_a_broker_without_topics_has_nothing_in_its_log(log: EventLog) -> None:
    state = await log.state(20.0)
    assert (state.brokers, state.end_offset_total, state.lag, state.dead_letters) == (1, 0, 0, 0)


async def test_the_log_of_a_group_that_never_committed_is_all_lag(log: EventLog, kafka_settings: KafkaSettings) -> None:
    make_topics(clients.admin(kafka_settings, "test"), 3)
    produce(kafka_settings, topics.ORDER_EVENTS, 20)
    produce(kafka_settings, topics.STOCK, 5)
    produce(kafka_settings, topics.ORDER_EVENTS_DLQ, 2)
    state = await log.state(20.0)
    assert (state.brokers, state.end_offset_total, state.lag, state.dead_letters) == (1, 25, 25, 2)


async def test_the_metrics_show_the_lag_of_each_partition_as_its_end_without_what_was_committed(
    log: EventLog, kafka_settings: KafkaSettings
) -> None:
    before = await log.state(20.0)
    partition = next(each for each, end in before.ends.items() if each[0] == topics.ORDER_EVENTS and end > 1)
    commit(kafka_settings, {partition: 1})
    kafka_metrics.record(await log.state(20.0))
    shown = {name: values for reading in READINGS.current() for name, values in reading.values.items()}
    expected = {
        (topic, str(number)): end - ((topic, number) == partition)
        for (topic, number), end in before.ends.items()
        if topic in topics.EVENT_TOPICS
    }
    assert shown["ordermesh_consumer_lag_events"] == expected
    assert shown["ordermesh_kafka_log_end_offset"][topics.ORDER_EVENTS_DLQ, "0"] >= 0
    assert shown["ordermesh_kafka_brokers"] == {(): 1}
    assert shown["ordermesh_kafka_under_replicated_partitions"] == {(): 0}
    assert shown["ordermesh_kafka_offline_partitions"] == {(): 0}
    commit(kafka_settings, {partition: 0})


async def test_waiting_returns_the_lag_when_the_patience_ends(log: EventLog, kafka_settings: KafkaSettings) -> None:
    state = await log.state(20.0)
    first = next(partition for partition, end in state.ends.items() if partition[0] == topics.ORDER_EVENTS and end)
    counted = positions_of(state, {first: state.ends[first]})
    assert await log.wait_until_counted(0.2, 5.0, counted) == 25 - state.ends[first]


async def test_waiting_ends_once_the_ends_are_counted_whatever_the_group_committed(
    log: EventLog, kafka_settings: KafkaSettings
) -> None:
    state = await log.state(20.0)
    ends = {partition: end for partition, end in state.ends.items() if partition[0] in topics.EVENT_TOPICS}
    commit(kafka_settings, dict.fromkeys(ends, 0))
    assert await log.wait_until_counted(30.0, 5.0, positions_of(state, ends)) == 0
    commit(kafka_settings, ends)
    assert await log.wait_until_counted(0.2, 5.0, positions_of(state, dict.fromkeys(ends, 0))) == sum(ends.values())


async def test_positions_of_a_recreated_topic_count_nothing(log: EventLog) -> None:
    state = await log.state(20.0)
    ends = {partition: end for partition, end in state.ends.items() if partition[0] in topics.EVENT_TOPICS}
    before = replace(state, topic_ids=dict.fromkeys(state.topic_ids, bytes(16)))
    assert await log.wait_until_counted(0.2, 5.0, positions_of(before, ends)) == sum(ends.values())


async def test_an_open_transaction_is_not_waited_for_and_is_in_flight(
    log: EventLog, kafka_settings: KafkaSettings
) -> None:
    producer = Producer({**clients.base_config(kafka_settings, "test"), "transactional.id": "test"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topics.STOCK, value=b"x", partition=0)
    assert producer.flush(20) == 0
    state = await log.state(20.0)
    readable = {partition: end for partition, end in state.stable_ends.items() if partition[0] in topics.EVENT_TOPICS}
    assert await log.wait_until_counted(600.0, 5.0, positions_of(state, readable)) == 1
    producer.abort_transaction(20)


def positions_of(state: LogState, offsets: Mapping[tuple[str, int], int]) -> ReadPositions:
    """Return positions up to these offsets, of the topics of a state."""

    async def positions() -> list[PartitionPosition]:
        return [
            PartitionPosition(topic=topic, partition=number, next_offset=offset, topic_id=state.topic_ids[topic])
            for (topic, number), offset in offsets.items()
        ]

    return positions


async def test_reconciliations_that_wait_for_kafka_do_not_hold_up_the_status(log: EventLog, broker: Kafka) -> None:
    assert broker.pid is not None
    before = await log.state(20.0)
    while before.ends != before.stable_ends:
        # The end of the transaction that the test before has aborted is still being written.
        before = await log.state(20.0)
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        positions = positions_of(before, before.ends)
        waiting = [asyncio.create_task(log.wait_until_counted(60.0, 20.0, positions)) for _ in range(2)]
        for _ in range(3):
            with pytest.raises((TimeoutError, KafkaException)):
                await log.state(0.5)
        assert not any(one.done() for one in waiting)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert len(await asyncio.gather(*waiting)) == 2
    assert (await log.state(20.0)).brokers == 1


def test_lag_counts_from_the_first_offset_that_is_left() -> None:
    partition = (topics.STOCK, 0)
    assert lag({partition: 40}, {partition: 50}, {}) == 10
    assert lag({partition: 40}, {partition: 50}, {partition: 7}) == 10
    assert lag({partition: 40}, {partition: 50}, {partition: 49}) == 1
    assert lag({}, {("order-events.dlq", 0): 50}, {}) == 0


@pytest.mark.timeout(30)
async def test_an_unavailable_broker_is_an_error_in_time_with_the_reason() -> None:
    (port,) = ports.allocate(1)
    away = EventLog(KafkaSettings(kafka_bootstrap=f"127.0.0.1:{port}"), GROUP)
    # On a busy machine the time is over before librdkafka says so.
    with pytest.raises((KafkaException, TimeoutError)) as caught:
        await away.state(1.0)
    assert "refused" in away.explain(caught.value)
    away.close()


@pytest.mark.parametrize("kind", ["silent_admin", "silent_consumer"])
async def test_clients_that_lost_kafka_are_replaced(broker: Kafka, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_first(monkeypatch, kind)
    log = EventLog(broker.client_settings(GATEWAY), GROUP)
    with pytest.raises((KafkaException, TimeoutError)):
        await log.state(1.0)
    assert (await log.state(20.0)).brokers == 1
    log.close()
