"""The chart on a real Kubernetes, by Helm and by Kustomize, and orders through its front door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from load import Load
from node.cluster import Cluster
from release import SERVICES, Platform
from waiting import await_true

pytestmark = pytest.mark.timeout(1800)
RATE = 200
# What the overlay sets for the pods of orders.
RUNTIME = '{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "shop"}, "handler": "runc"}'


def assert_orders_are_counted(running: Load) -> None:
    """Let ten seconds' worth of orders through: each is accepted, and counted once."""
    await_true(lambda: running.accepted() > 10 * RATE, "orders are accepted")
    running.finish_without_failure()


def test_the_nodes_are_ready_and_run_this_kubernetes(cluster: Cluster) -> None:
    versions = [node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.get("nodes")["items"]]
    assert versions == ["v1.37.2", "v1.37.2"]


def test_helm_installs_it_and_all_is_ready(platform: Platform) -> None:
    for service in SERVICES:
        pods = platform.pods(service)
        assert len(pods) == 2, service
        assert all(status["ready"] for pod in pods for status in pod["status"]["containerStatuses"]), service


def test_the_chart_s_own_test_passes(platform: Platform) -> None:
    assert "Succeeded" in platform.helm("test", "om")


def test_orders_from_outside_are_each_counted_once(platform: Platform, load: Callable[[Platform, int], Load]) -> None:
    assert_orders_are_counted(load(platform, RATE))


def test_kustomize_installs_it_too(cluster: Cluster, load: Callable[[Platform, int], Load], tmp_path: Path) -> None:
    cluster.kubectl("apply", "-f", "-", given=RUNTIME)
    shop = Platform(cluster, "shop", 30081)
    try:
        shop.install_with_kustomize(1, tmp_path / "overlay")
        assert_orders_are_counted(load(shop, RATE))
    finally:
        # Two platforms are too much for the tests that follow.
        cluster.kubectl("delete", "namespace", "shop")
