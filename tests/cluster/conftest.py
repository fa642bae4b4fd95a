"""A stack whose Kafka is a cluster that was there before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from three_brokers import ThreeBrokers

from stack.machine.state_folder import temporary_home

# The load of the tests of faults.
sys.path.append(str(Path(__file__).parents[1] / "faults"))


@pytest.fixture(scope="module")
def brokers() -> Iterator[ThreeBrokers]:
    with temporary_home() as folder:
        running = ThreeBrokers(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
