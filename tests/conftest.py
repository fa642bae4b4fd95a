"""What all tests share."""

import os
from pathlib import Path

import pytest

# For the tests' own connections to PostgreSQL; without it libpq waits for two minutes.
os.environ.setdefault("PGCONNECT_TIMEOUT", "10")

TESTS = Path(__file__).parent
# Their servers are those of a session: started once for all files of the folder.
SHARING_SERVERS = {"e2e", "envoy", "orders", "processor"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share servers in one process, where several run: a folder's, else a file's."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = path.parts[0] if path.parts[0] in SHARING_SERVERS else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
