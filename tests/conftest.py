"""What all tests share."""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# For the tests' own connections to PostgreSQL; without it libpq waits for two minutes.
os.environ.setdefault("PGCONNECT_TIMEOUT", "10")

# Their servers are those of a session: started once for all files of the folder.
SHARING_SERVERS = {"e2e", "envoy", "orders", "processor"}


class ByServers(LoadScopeScheduling):
    """Keeps tests that share servers in one process, where several run: a folder's, else a file's.

    Of xdist's own ways, loadfile would start the servers of a folder in each process, and loadgroup does nothing
    with pytest 9.2, which keeps ids of tests to itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.split("/")[1]
        return folder if folder in SHARING_SERVERS else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServers:
    """Name the way in which tests are spread."""
    return ByServers(config, log)
