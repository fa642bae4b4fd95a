"""The pages about replicas of partitions, on three brokers."""

from __future__ import annotations

import pytest
from operator_desk import operator

from faults.injection.stopped import stopped

pytestmark = [pytest.mark.long, pytest.mark.timeout(470)]


def test_kafka_under_replicated() -> None:
    with operator(brokers=3) as desk:
        pid = desk.world.stack.pid("kafka-3")
        with stopped(pid):
            desk.handle("OrdermeshKafkaUnderReplicated", "platform/kafka-under-replicated.md", PID=pid)
