"""The shared stack with the fast lane on, and how much of everything: little in CI, all of it with `make qualify`."""

from __future__ import annotations

import os

import pytest
from lane_load import FULL, SHORT, Amounts
from shared_stack import shared_stack

from stack.running_stack import RunningStack


@pytest.fixture(scope="session")
def amounts() -> Amounts:
    return FULL if os.environ.get("QUALIFY") == "full" else SHORT


@pytest.fixture(scope="module")
def lane_stack() -> RunningStack:
    made = shared_stack()
    assert made.context.settings.orders_lane
    return made
