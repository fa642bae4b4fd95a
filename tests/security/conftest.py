"""The shared stack, as an attacker reaches it, and one that authenticates callers by keys."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from front_proxy import Platform
from seed import seeded_stack
from shared_stack import shared_stack

# A real Chromium: where CHROMIUM names one (`make dashboard-test`). test_envoy_browser.py sends the same without one.
collect_ignore_glob = [] if os.environ.get("CHROMIUM") else ["test_browser.py"]


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(shared_stack())


@pytest.fixture(scope="package")
def closed() -> Iterator[Platform]:
    with seeded_stack(auth="keys") as stack:
        yield Platform(stack)
