"""What all tests share."""

import contextlib
import os

import hypothesis
import pytest
from groups import LONGEST_FIRST, MORE, SERVER_FIXTURES, SHARING_NOTHING, WITH_SERVERS, group_of
from seed import FOLDER_VARIABLE
from shared_stack import stop_shared_stack
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from stack.machine.state_folder import temporary_home
from stack.processes.server_account import create_missing

# No test asserts on time, not even by the limits that Hypothesis has for an example and for making one.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

# For the tests' own connections to PostgreSQL; without it libpq waits for two minutes.
os.environ.setdefault("PGCONNECT_TIMEOUT", "10")


def place_of(item: pytest.Item) -> tuple[int, str]:
    """Return where the group of a test stands in the order of groups."""
    group = group_of(item.nodeid)
    return (LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)), group


class ByServers(LoadScopeScheduling):
    """Keeps tests of a group in one process, where several run, and hands groups out in the order of the collection.

    Of xdist's own ways, loadfile would start the servers of a folder in each process, and loadgroup does nothing
    with pytest 9.2, which keeps ids of tests to itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(SHARING_NOTHING) else group_of(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the seed, which the processes of pytest share, and the accounts of servers under root."""
    if FOLDER_VARIABLE not in os.environ:
        create_missing()
        held = contextlib.ExitStack()
        os.environ[FOLDER_VARIABLE] = str(held.enter_context(temporary_home()))
        config.add_cleanup(held.close)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServers:
    """Name the way in which tests are spread."""
    config.option.loadscopereorder = False
    return ByServers(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a group together, the longest groups first, and mark them by what they need."""
    items.sort(key=place_of)
    for item in items:
        if item.nodeid.startswith(WITH_SERVERS) or SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("servers")
        if item.nodeid.startswith(MORE):
            item.add_marker("more")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the shared stack with the last test of a group: those after it want the machine for themselves."""
    if nextitem is None or group_of(nextitem.nodeid) != group_of(item.nodeid):
        stop_shared_stack()
