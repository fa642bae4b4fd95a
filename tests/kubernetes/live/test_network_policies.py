"""Who reaches whom with the chart's NetworkPolicies, tried from each pod to each port that listens, and from strangers.

The arrows are those of docs/concepts/architecture.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from node import layout
from node.cluster import Cluster
from node.worker import PAUSE
from release import MONITORING, SERVICES, Platform
from waiting import await_true

pytestmark = pytest.mark.timeout(600)
STRANGER = "stranger"
PODS = (*SERVICES, "postgresql", "kafka")
CALLS = {
    "orders": 50051,
    "analytics": 50051,
    "gateway": 50051,
    "gateway pages": 8081,
    "envoy": 8080,
    "postgresql": 5432,
    "kafka": 9092,
}
METRICS = {
    "orders metrics": 9101,
    "publisher metrics": 9102,
    "processor metrics": 9103,
    "analytics metrics": 9104,
    "gateway metrics": 9105,
    "envoy metrics": 9902,
}
# Beside the pods: the API server and the kubelets.
API, KUBELET = "API server", "kubelet"
KUBELET_PORT = 10250
ARROWS = {
    # Envoy calls no Envoy, but kube-router has one list for both directions of a policy: everybody may call Envoy.
    "envoy": {"orders", "analytics", "gateway", "gateway pages", "envoy"},
    "gateway": {"orders", "analytics", "kafka"},
    "orders": {"postgresql"},
    "publisher": {"postgresql", "kafka"},
    "processor": {"postgresql", "kafka"},
    "analytics": {"postgresql", "kafka"},
    "postgresql": set[str](),
    "kafka": set[str](),
    # Everybody calls the front port. Pods that are not of the release reach what they like elsewhere.
    STRANGER: {"envoy", API, KUBELET},
    MONITORING: {"envoy", API, KUBELET, *METRICS},
}
# Prints for each address that it is given whether it accepts a connection. Not each that is refused is told so: the
# kernel limits its answers.
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def accepts(address):
    try:
        with socket.create_connection(address, 3):
            return True
    except OSError:
        return False
with ThreadPoolExecutor(64) as threads:
    print(json.dumps(list(threads.map(accepts, json.loads(sys.argv[1])))))
"""


@pytest.fixture
def strangers(cluster: Cluster) -> Iterator[dict[str, dict[str, Any]]]:
    """Pods of nobody on the second node, in a namespace of their own and in that of the monitoring."""
    try:
        yield {namespace: stranger(cluster, namespace) for namespace in (STRANGER, MONITORING)}
    finally:
        cluster.kubectl("delete", "namespace", "--ignore-not-found", STRANGER, MONITORING)


def stranger(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Run a pod that sleeps in a namespace of its own, and return it."""
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    container = {"name": "pause", "image": PAUSE}
    spec = {"nodeName": layout.name(2), "containers": [container], "terminationGracePeriodSeconds": 0}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": STRANGER, "namespace": namespace}, "spec": spec}
    cluster.kubectl("apply", "-f", "-", given=json.dumps(pod))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{STRANGER}", "--timeout=60s")
    found: dict[str, Any] = cluster.get("pod", STRANGER, "-n", namespace)
    return found


class Network:
    """Who may connect to what: sources and targets with their pods."""

    def __init__(self, platform: Platform, strangers: dict[str, dict[str, Any]]) -> None:
        self._cluster = platform.cluster
        pods = {name: platform.pods(name) for name in PODS}
        self._sources = [(name, pod) for name in PODS for pod in pods[name]]
        self._sources += strangers.items()
        self._targets = [(API, (layout.API_SERVICE_ADDRESS, 443))]
        self._targets += [(KUBELET, (layout.address(number), KUBELET_PORT)) for number in layout.NODES]
        for target, port in (CALLS | METRICS).items():
            for pod in pods[target.split()[0]]:
                self._targets.append((target, (pod["status"]["podIP"], port)))

    def differences(self) -> list[str]:
        """Return what is not as ARROWS say: what a pod reaches or does not reach."""
        with ThreadPoolExecutor(len(self._sources)) as threads:
            return [one for found in threads.map(self._differences_of, self._sources) for one in found]

    def _differences_of(self, source: tuple[str, dict[str, Any]]) -> list[str]:
        name, pod = source
        own = pod["status"]["podIP"]
        targets = [(target, address) for target, address in self._targets if address[0] != own]
        addresses = json.dumps([address for _, address in targets])
        answers = json.loads(self._cluster.run_in_network_of(pod, sys.executable, "-c", TRY, addresses))
        return [
            f"{name} {own} {'reaches' if answer else 'does not reach'} {target} {address}"
            for (target, address), answer in zip(targets, answers, strict=True)
            if answer != (target in ARROWS[name])
        ]


def test_each_pod_reaches_what_it_calls_and_nothing_else(
    platform: Platform, strangers: dict[str, dict[str, Any]]
) -> None:
    network = Network(platform, strangers)
    found: list[str] = []

    def as_drawn() -> bool:
        found[:] = network.differences()
        return not found

    await_true(as_drawn, lambda: "\n".join(found), 60)


def test_without_policies_each_pod_reaches_all_others(platform: Platform, strangers: dict[str, dict[str, Any]]) -> None:
    """What is refused above is refused by the policies, and not for another reason."""
    platform.upgrade("--set=networkPolicy.enabled=false")
    network = Network(platform, strangers)
    try:
        await_true(lambda: all(" reaches " in one for one in network.differences()), "nothing is refused", 60)
        assert len(network.differences()) > 100
    finally:
        platform.upgrade("--set=networkPolicy.enabled=true")
