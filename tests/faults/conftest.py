"""A load of orders on the shared stack, which goes on while something breaks."""

from __future__ import annotations

import pytest
from faulted import Faulted
from shared_stack import shared_stack


@pytest.fixture(scope="module")
def faulted() -> Faulted:
    return Faulted(shared_stack())
