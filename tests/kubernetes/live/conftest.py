"""One cluster for all tests of this folder, whose process moves into the network outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from load import Load
from node.cluster import Cluster, started
from release import Platform

NODES = 2
RUNNING: list[Cluster] = []


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes."""
    with started(NODES) as running:
        running.outside.enter_network()
        RUNNING.append(running)
        yield running
        RUNNING.clear()


@pytest.fixture(scope="session")
def platform(cluster: Cluster) -> Platform:
    """The platform, installed with Helm, with two pods of each service, so that one may go."""
    platform = Platform(cluster, "helm", 30080)
    platform.install_with_helm(replicas=2)
    return platform


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Load]]:
    """Start loads on a platform at a rate, with further options, and end them with the test."""
    loads: list[Load] = []

    def begin(platform: Platform, rate: int, **more: Any) -> Load:
        loads.append(Load(platform.url, platform.key(), rate, tmp_path, **more))
        return loads[-1]

    yield begin
    for one in loads:
        one.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the cluster says of itself with a test that failed."""
    report = yield
    if report.failed and RUNNING:
        pods = RUNNING[0].kubectl("get", "pods", "-A", "-o", "wide")
        events = RUNNING[0].kubectl("get", "events", "-A", "--sort-by=.lastTimestamp")
        report.sections.append(("the cluster", pods + "\n".join(events.splitlines()[-30:])))
    return report
