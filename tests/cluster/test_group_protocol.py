"""A broker without the new group protocol, as an older one or one that was told so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient
from kafka_broker import config, fields

from processor.consume.group_reader import GroupReader
from processor.settings import WorkSettings
from runtime.kafka import clients, topics
from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.processes.logfile import LogFile
from stack.processes.runners import running
from stack.servers.credentials import load_or_create
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.config import single_broker

GROUP = "ordermesh-metrics"


@pytest.fixture
def older() -> Iterator[Kafka]:
    with temporary_home() as home:
        port, controller_port = ports.allocate(2)
        told = {"group.coordinator.rebalance.protocols": "classic"}
        membership = dataclasses.replace(single_broker(home, controller_port), properties=told)
        credentials = load_or_create(home / "credentials.json")
        log = LogFile(home / "kafka.log")
        with running(Kafka(home, port, controller_port, log, credentials, membership=membership)) as broker:
            yield broker


def test_a_broker_without_the_new_protocol_is_joined_with_the_classic_one(older: Kafka) -> None:
    topics.create_topics(clients.admin(older.client_settings(), "test"), 2, 1)
    producer = clients.producer(older.client_settings(), "test")
    producer.produce(topics.STOCK, b"anything")
    assert producer.flush(10) == 0
    settings = WorkSettings(**fields(older.client_settings()), analytics_dsn="postgresql://nowhere")  # type: ignore[arg-type]  # pydantic makes the secret
    reader = GroupReader(settings, "test")
    found: list[Message] = []
    while not found:
        found = reader.read(10, 0.2)
    assert found[0].value() == b"anything"
    client = AdminClient(config(older.client_settings()))
    assert client.describe_consumer_groups([GROUP])[GROUP].result(10).type.name == "CLASSIC"
    reader.close()
