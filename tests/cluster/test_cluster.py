"""A Kafka of three brokers with TLS and SASL, given by its address."""

from __future__ import annotations

import pytest
from three_brokers import ThreeBrokers, assert_copies

from runtime.kafka.settings import KafkaSettings
from stack.running_stack import running_stack

pytestmark = pytest.mark.timeout(900)


def test_orders_are_counted_once_by_tls_and_scram_while_one_of_three_brokers_is_killed(brokers: ThreeBrokers) -> None:
    from faulted import Faulted

    copies = {"ORDERMESH_KAFKA_REPLICATION": "3", "ORDERMESH_KAFKA_MIN_ISR": "2"}
    properties = brokers.client("SCRAM-SHA-512")
    with running_stack(env=copies, kafka_bootstrap=brokers.bootstrap, kafka_properties=properties) as stack:
        faulted = Faulted(stack)
        with faulted.loaded():
            brokers.kill(2)
            faulted.await_counted(1000)


def test_topics_have_their_copies_and_a_plain_password_opens_the_door_too(brokers: ThreeBrokers) -> None:
    assert_copies(KafkaSettings(kafka_bootstrap=brokers.bootstrap, kafka_properties=brokers.client("PLAIN")))
