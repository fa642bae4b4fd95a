"""Pods come and go under load from outside, which never retries: no request fails, and each order is counted once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from load import Load
from node.cluster import Cluster
from release import PATIENCE, SERVICES, Platform
from waiting import await_true

pytestmark = pytest.mark.timeout(1800)
RATE = 200
# Where half of all pods or more start at once, on two cores: with more, they take the time of those that serve.
LOW_RATE = 50
# In 0.1.1: a column of a table that every order, and every count, writes to (tests/kubernetes/prepare/images.sh).
NEXT_MIGRATION = "9000_next_release.sql"
NEVER_READY = "0.1.2"


def assert_nobody_noticed(running: Load) -> None:
    """End the load: no request failed, and what was accepted was counted."""
    assert running.finish_without_failure()["orders"]["offered"] > LOW_RATE


@pytest.mark.parametrize("service", SERVICES)
def test_a_restarted_deployment_fails_no_request(
    platform: Platform, load: Callable[[Platform, int], Load], service: str
) -> None:
    before = {pod["metadata"]["name"] for pod in platform.pods(service)}
    running = load(platform, RATE)
    platform.restart(service)
    assert_nobody_noticed(running)
    assert before.isdisjoint(pod["metadata"]["name"] for pod in platform.pods(service))


def test_an_evicted_pod_fails_no_request(platform: Platform, load: Callable[[Platform, int], Load]) -> None:
    running = load(platform, RATE)
    for service in ("orders", "gateway", "envoy"):
        gone = platform.pods(service)[0]["metadata"]["name"]
        platform.evict(gone)
        platform.wait_for_all()
    assert_nobody_noticed(running)


def test_a_drained_node_fails_no_request(
    cluster: Cluster, platform: Platform, load: Callable[[Platform, int], Load]
) -> None:
    running = load(platform, LOW_RATE)
    # The databases and Kafka are on the first node: their volumes are its folders.
    cluster.kubectl("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", PATIENCE)
    platform.wait_for_all()
    assert {pod["spec"]["nodeName"] for service in SERVICES for pod in platform.pods(service)} == {"node-1"}
    assert_nobody_noticed(running)
    cluster.kubectl("uncordon", "node-2")


def test_an_upgrade_and_the_way_back_fail_no_request(platform: Platform, load: Callable[[Platform, int], Load]) -> None:
    """The next version has a migration of each database; the one before then runs on its schema."""
    assert platform.migrated(NEXT_MIGRATION) == {"orders": False, "analytics": False}
    running = load(platform, LOW_RATE)
    platform.upgrade("--set=image.tag=0.1.1")
    assert platform.versions() == {"0.1.1"}
    assert platform.migrated(NEXT_MIGRATION) == {"orders": True, "analytics": True}
    platform.roll_back()
    assert platform.versions() == {"0.1.0"}
    assert platform.migrated(NEXT_MIGRATION) == {"orders": True, "analytics": True}
    accepted = running.accepted()
    await_true(
        lambda: running.accepted() > accepted + 10 * LOW_RATE, "the old version accepts orders on the new schema"
    )
    assert_nobody_noticed(running)


def test_a_version_that_never_becomes_ready_stops_and_harms_nobody(
    platform: Platform, load: Callable[[Platform, int], Load]
) -> None:
    running = load(platform, LOW_RATE)
    with pytest.raises(RuntimeError, match="context deadline exceeded"):
        platform.upgrade(f"--set=image.tag={NEVER_READY}", "--timeout=60s")
    pods = [pod["status"]["containerStatuses"] for pod in platform.pods("orders")]
    assert sum(all(container["ready"] for container in containers) for containers in pods) == 2
    platform.roll_back()
    assert platform.versions() == {"0.1.0"}
    assert_nobody_noticed(running)
