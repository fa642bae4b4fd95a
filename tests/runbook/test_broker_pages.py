"""The pages about replicas of partitions, on three brokers: a broker stops, its page is followed, the alarm ends."""

from __future__ import annotations

import pytest
from operator_desk import operator

from faults.injection.stopped import stopped

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]


def test_kafka_under_replicated() -> None:
    with operator(brokers=3) as desk:
        pid = desk.world.stack.pid("kafka-3")
        with stopped(pid):
            desk.handle("OrdermeshKafkaUnderReplicated", "platform/kafka-under-replicated.md", PID=pid)


def test_kafka_partitions_offline() -> None:
    """Each partition has one replica only, of one of the brokers."""
    with operator(brokers=3, env={"ORDERMESH_KAFKA_REPLICATION": "1"}) as desk:
        pid = desk.world.stack.pid("kafka-3")
        with stopped(pid):
            desk.handle("OrdermeshKafkaPartitionsOffline", "platform/kafka-partitions-offline.md", PID=pid)
