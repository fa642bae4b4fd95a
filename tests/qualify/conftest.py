"""A stack with the fast lane on, and how much of everything: little in CI, all of it with `make qualify`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lane_load import FULL, SHORT, Amounts
from seed import seeded_stack

from stack.running_stack import RunningStack


@pytest.fixture(scope="session")
def amounts() -> Amounts:
    return FULL if os.environ.get("QUALIFY") == "full" else SHORT


@pytest.fixture(scope="session")
def lane_stack() -> Iterator[RunningStack]:
    with seeded_stack(orders_lane=True) as made:
        yield made
