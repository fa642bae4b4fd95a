"""One stack for all faults, and a load of orders that goes on while something breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faulted import Faulted

from stack.running_stack import running_stack


@pytest.fixture(scope="module")
def faulted() -> Iterator[Faulted]:
    with running_stack() as stack:
        yield Faulted(stack)
