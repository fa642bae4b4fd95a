"""A stack whose Kafka is a cluster that was there before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from three_brokers import ThreeBrokers

from stack.machine.state_folder import temporary_home


@pytest.fixture(scope="module")
def brokers() -> Iterator[ThreeBrokers]:
    with temporary_home() as folder:
        running = ThreeBrokers(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
