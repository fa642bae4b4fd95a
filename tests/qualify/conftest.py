"""One stack with the fast lane on, and how much of everything: a short form in CI, the full one with `make qualify`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lane_load import FULL, SHORT, Amounts

from stack.running_stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def amounts() -> Amounts:
    return FULL if os.environ.get("QUALIFY") == "full" else SHORT


@pytest.fixture(scope="module")
def lane_stack() -> Iterator[RunningStack]:
    with running_stack(orders_lane=True) as stack:
        yield stack
