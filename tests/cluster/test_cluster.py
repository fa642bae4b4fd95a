"""A Kafka of three brokers with TLS and SASL, given by its address."""

from __future__ import annotations

import pytest
from three_brokers import ThreeBrokers, assert_copies

from faults.injection.launches import Launches
from faults.run import run_one
from faults.scenario import Needs, Scenario
from faults.world import World
from runtime.kafka.settings import KafkaSettings
from stack.running_stack import running_stack

pytestmark = pytest.mark.timeout(900)


def test_orders_are_counted_once_by_tls_and_scram_while_one_of_three_brokers_is_killed(brokers: ThreeBrokers) -> None:
    def lose_one(world: World) -> None:
        with world.fault():
            brokers.kill(2)
            world.hold(10, 10)

    copies = {"ORDERMESH_KAFKA_REPLICATION": "3", "ORDERMESH_KAFKA_MIN_ISR": "2"}
    properties = brokers.client("SCRAM-SHA-512")
    with running_stack(env=copies, kafka_bootstrap=brokers.bootstrap, kafka_properties=properties) as stack:
        world = World(stack, Launches())
        world.customers.create_products()
        row = run_one(world, Scenario("F12.lost", "one of three brokers is lost", lose_one, Needs()), 3)
    assert row.good, row


def test_topics_have_their_copies_and_a_plain_password_opens_the_door_too(brokers: ThreeBrokers) -> None:
    assert_copies(KafkaSettings(kafka_bootstrap=brokers.bootstrap, kafka_properties=brokers.client("PLAIN")))
