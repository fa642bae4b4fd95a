"""The shared stack, as an attacker reaches it, and one that authenticates callers by keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from front_proxy import Platform
from seed import seeded_home
from shared_stack import shared_stack

from stack.running_stack import running_stack

# A real Chromium: where CHROMIUM names one (`make dashboard-test`). test_envoy_browser.py sends the same without one.
collect_ignore_glob = [] if os.environ.get("CHROMIUM") else ["test_browser.py"]


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(shared_stack())


@pytest.fixture(scope="package")
def closed() -> Iterator[Platform]:
    """A stack with keys, one of which was made before its start."""
    with seeded_home() as state:
        make_key = [sys.executable, "-m", "cli", "keys", "create", "--role", "analyst", "--subject", "before-start"]
        subprocess.run(make_key, env={**os.environ, "ORDERMESH_HOME": str(state.home)}, check=True, timeout=60)
        with running_stack(state.home, auth="keys") as stack:
            yield Platform(stack)
