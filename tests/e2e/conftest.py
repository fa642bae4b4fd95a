"""The shared stack for the tests of this folder, and one with a low rate limit that nobody has ordered from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from front_proxy import Platform
from seed import seeded_stack
from shared_stack import shared_stack

LOW_LIMIT_PER_SECOND = 4


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(shared_stack())


@pytest.fixture(scope="module")
def quiet_platform() -> Iterator[Platform]:
    with seeded_stack(rate_limit_per_second=LOW_LIMIT_PER_SECOND) as stack:
        yield Platform(stack)
