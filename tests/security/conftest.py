"""The shared stack, as an attacker reaches it."""

from __future__ import annotations

import pytest
from front_proxy import Platform
from shared_stack import shared_stack


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(shared_stack())
