"""What the chart's preset for production asks of many nodes in three zones, which KWOK plays: no process runs there.

Shown are the decisions of the real scheduler and controllers: where pods go, which may be evicted, and which come back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pytest
import yaml
from node.cluster import Cluster
from played_nodes import HOSTNAME, PATIENCE_SECONDS, TAINT, PlayedNodes
from release import CHART, NAME, PATIENCE, PAUSE_SECONDS, SERVICES, Platform
from replicas import Replicas
from waiting import await_true

pytestmark = pytest.mark.timeout(900)
ZONES = {f"zone-{letter}": (f"{letter}-1", f"{letter}-2") for letter in "abc"}
# Pods of each service in values-prod.yaml, when there is little to do.
LEAST = {"orders": 3, "publisher": 2, "processor": 2, "analytics": 2, "gateway": 2, "envoy": 3}
MOST_ORDERS = 8
KINDS = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceAccount")
# What the chart tolerates by default: for half a minute, that a node is lost.
TOLERATED = yaml.safe_load((CHART / "values.yaml").read_text())["orders"]["tolerations"]
ALONE = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}
        ]
    }
}


@pytest.fixture(scope="module")
def nodes(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedNodes]:
    """Two nodes in each of three zones."""
    played = PlayedNodes(cluster, ZONES, tmp_path_factory.mktemp("kwok"))
    yield played
    played.end()


@pytest.fixture(scope="module")
def platform(cluster: Cluster, nodes: PlayedNodes) -> Iterator[Platform]:
    """The services as values-prod.yaml renders them, on the played nodes, with autoscalers of Kubernetes itself."""
    placed = {
        "nodeSelector": {"ordermesh.test/kind": "played"},
        "tolerations": [{"key": TAINT["key"], "operator": "Exists"}, *TOLERATED],
    }
    values = {**dict.fromkeys(SERVICES, placed), "keda": {"enabled": False}}
    values["gateway"] = {**placed, "affinity": ALONE}
    platform = Platform(cluster, "zones", 0)
    cluster.kubectl("create", "namespace", platform.namespace)
    files = [f"--values={CHART / 'values-prod.yaml'}", "--values=-"]
    rendered = platform.helm("template", NAME, str(CHART), *files, given=json.dumps(values))
    items = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] in KINDS]
    platform.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    await_all(platform)
    yield platform
    cluster.kubectl("delete", "namespace", platform.namespace)


def places(platform: Platform) -> dict[str, list[str]]:
    """Return for each service the nodes of its pods that are ready and do not go."""
    used: dict[str, list[str]] = {service: [] for service in SERVICES}
    for pod in platform.cluster.get("pods", "--namespace", platform.namespace)["items"]:
        if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]:
            used[pod["metadata"]["labels"]["app.kubernetes.io/component"]].append(pod["spec"]["nodeName"])
    return used


def await_all(platform: Platform, lost: Set[str] = frozenset()) -> None:
    """Wait until each service has the pods that its values want, ready and on other nodes than lost ones."""

    def all_there() -> bool:
        used = places(platform)
        there = {service: len(nodes) for service, nodes in used.items()}
        return there == LEAST and lost.isdisjoint(node for nodes in used.values() for node in nodes)

    await_true(all_there, lambda: f"all pods are ready: {places(platform)}", PATIENCE_SECONDS, PAUSE_SECONDS)


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod says that it is ready."""
    conditions = pod["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def skew(used: list[str], among: list[str]) -> int:
    """Return by how many pods the fullest of some nodes or zones is ahead of the emptiest."""
    counts = Counter(used)
    return max(counts[name] for name in among) - min(counts[name] for name in among)


def assert_spread(platform: Platform, nodes: PlayedNodes, zones: list[str]) -> None:
    """Compare the places of all services with the constraints: a skew of one at most, over nodes and over zones."""
    for service, used in places(platform).items():
        assert skew([nodes.zone_of(name) for name in used], zones) <= 1, (service, used)
        assert skew(used, [name for zone in zones for name in ZONES[zone]]) <= 1, (service, used)


def test_pods_are_spread_over_zones_and_nodes(platform: Platform, nodes: PlayedNodes) -> None:
    assert_spread(platform, nodes, list(ZONES))


def test_more_pods_are_spread_as_well(platform: Platform, nodes: PlayedNodes) -> None:
    autoscaler = "horizontalpodautoscaler/om-ordermesh-orders"
    platform.kubectl("patch", autoscaler, "-p", json.dumps({"spec": {"minReplicas": MOST_ORDERS}}))
    await_true(lambda: len(places(platform)["orders"]) == MOST_ORDERS, "there are more pods of orders")
    assert_spread(platform, nodes, list(ZONES))
    platform.kubectl("patch", autoscaler, "-p", json.dumps({"spec": {"minReplicas": 3}}))
    platform.kubectl("scale", platform.deployment("orders"), "--replicas=3")
    await_all(platform)


def test_anti_affinity_of_the_values_holds(platform: Platform, nodes: PlayedNodes) -> None:
    platform.kubectl("scale", platform.deployment("gateway"), f"--replicas={len(nodes.names) + 1}")
    await_true(lambda: len(places(platform)["gateway"]) == len(nodes.names), "each node has a pod")
    pods = platform.pods("gateway")
    waiting = [pod for pod in pods if "nodeName" not in pod["spec"]]
    assert (len(pods), len(waiting)) == (len(nodes.names) + 1, 1)
    assert skew(places(platform)["gateway"], nodes.names) == 0
    platform.kubectl("scale", platform.deployment("gateway"), "--replicas=2")
    await_all(platform)


@pytest.mark.parametrize("service", SERVICES)
def test_a_budget_refuses_a_second_eviction(platform: Platform, nodes: PlayedNodes, service: str) -> None:
    first, second, *_ = [pod["metadata"]["name"] for pod in platform.pods(service)]
    # No other node takes what is evicted.
    nodes.cordon()
    try:
        platform.evict(first)
        with pytest.raises(RuntimeError, match="would violate the pod's disruption budget"):
            platform.evict(second)
    finally:
        nodes.uncordon()
    await_all(platform)


def test_a_drained_zone_keeps_all_but_one_pod_of_each_service(
    platform: Platform, nodes: PlayedNodes, tmp_path: Path
) -> None:
    with Replicas(platform, tmp_path) as replicas:
        platform.cluster.kubectl("drain", *ZONES["zone-c"], "--delete-emptydir-data", PATIENCE)
        await_all(platform, set(ZONES["zone-c"]))
        lowest = {service: min(replicas.available(service)) for service in SERVICES}
    assert all(lowest[service] >= LEAST[service] - 1 for service in SERVICES), lowest
    # Something was evicted.
    assert lowest != LEAST
    nodes.uncordon()


def test_pods_of_a_lost_node_come_back_elsewhere(platform: Platform, nodes: PlayedNodes) -> None:
    lost = max(nodes.names, key=[node for used in places(platform).values() for node in used].count)
    nodes.lose(lost)
    await_all(platform, {lost})
    nodes.find(lost)


def test_pods_of_a_lost_zone_come_back_elsewhere_and_a_restart_spreads_them_again(
    platform: Platform, nodes: PlayedNodes
) -> None:
    restart(platform)
    nodes.lose(*ZONES["zone-b"])
    await_all(platform, set(ZONES["zone-b"]))
    assert_spread(platform, nodes, ["zone-a", "zone-c"])
    nodes.find(*ZONES["zone-b"])
    restart(platform)
    assert_spread(platform, nodes, list(ZONES))


def restart(platform: Platform) -> None:
    """Replace the pods of all Deployments."""
    platform.kubectl("rollout", "restart", "deployment")
    platform.wait_for_all()
