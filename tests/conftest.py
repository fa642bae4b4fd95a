"""What all tests share."""

import contextlib
import os

import pytest
from seed import FOLDER_VARIABLE
from shared_stack import stop_shared_stack
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from stack.machine.state_folder import temporary_home

# For the tests' own connections to PostgreSQL; without it libpq waits for two minutes.
os.environ.setdefault("PGCONNECT_TIMEOUT", "10")

# Tests that share servers run in one process, one after the other. What is in no group is a group with its file.
GROUPS = {
    "tests/e2e/": "platform",
    "tests/qualify/": "platform",
    "tests/stack/supervision/test_supervisor.py": "faults",
    "tests/faults/": "faults",
    "tests/envoy/": "envoy",
    "tests/orders/": "orders",
    "tests/processor/": "processor",
}
# What takes long comes first, so that no process is alone at the end; `make test` shows durations.
LONGEST_FIRST = (
    "faults",
    "processor",
    "platform",
    "tests/cli/pipeline/test_readiness.py",
    "tests/cli/local/test_lifecycle.py",
    "orders",
    "tests/cli/test_cli.py",
    "tests/stack/supervision/test_full_disk.py",
    "tests/stack/servers/test_pooler.py",
    "tests/gateway/watch/test_orders_stream.py",
    "tests/runtime/process/test_child_processes.py",
    "tests/runtime/postgres/test_connecting.py",
    "tests/gateway/test_gateway_process.py",
    "envoy",
)
# `make test-fast` leaves out what starts servers or programs: these files, and whatever uses these fixtures.
WITH_SERVERS = (
    "tests/bench/test_bench_pipelines.py",
    "tests/cli/local/test_few_descriptors.py",
    "tests/cli/local/test_lifecycle.py",
    "tests/cli/local/test_other_ports.py",
    "tests/cli/pipeline/",
    "tests/cli/test_",
    "tests/clients/",
    "tests/cluster/",
    "tests/dashboard/",
    "tests/docs/test_guides.py",
    "tests/e2e/",
    "tests/envoy/",
    "tests/faults/",
    "tests/gateway/backends/test_event_log.py",
    "tests/gateway/test_gateway_process.py",
    "tests/gateway/watch/test_metrics_stream.py",
    "tests/gateway/watch/test_orders_stream.py",
    "tests/qualify/",
    "tests/runtime/postgres/test_connecting.py",
    "tests/runtime/process/test_child_processes.py",
    "tests/soak/",
    "tests/stack/servers/",
    "tests/stack/supervision/",
    "tests/stack/test_",
)
# `make test-more` runs these, and what is marked so: long forms of what `make test` shows in short.
MORE = ("tests/bench/", "tests/clients/", "tests/cluster/", "tests/docs/test_guides.py", "tests/soak/")
SERVER_FIXTURES = {"state", "broker", "place", "persons_place"}


def group_of(nodeid: str) -> str:
    """Return the name of the group in whose process a test runs."""
    path = nodeid.partition("::")[0]
    return next((name for start, name in GROUPS.items() if path.startswith(start)), path)


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
        return group_of(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the seed, which the processes of pytest share."""
    if FOLDER_VARIABLE not in os.environ:
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
