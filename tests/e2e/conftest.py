"""One whole stack for all tests of this folder, and one with a low rate limit that nobody has ordered from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_door import Platform

from stack.running_stack import running_stack

LOW_LIMIT_PER_SECOND = 4
held = contextlib.ExitStack()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with held:
        yield Platform(held.enter_context(running_stack()))


@pytest.fixture(scope="module")
def quiet_platform() -> Iterator[Platform]:
    with running_stack(rate_limit_per_second=LOW_LIMIT_PER_SECOND) as stack:
        yield Platform(stack)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop the stack with the last test of this folder: the folders after it want the machine for themselves."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        held.close()
