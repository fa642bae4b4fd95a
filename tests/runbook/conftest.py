"""One platform under load with its monitoring, for the pages that leave it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from operator_desk import Operator
from operator_desk import operator as started


@pytest.fixture(scope="package")
def running() -> Iterator[Operator]:
    with started() as desk:
        yield desk


@pytest.fixture
def operator(running: Operator) -> Operator:
    running.await_silence()
    return running
