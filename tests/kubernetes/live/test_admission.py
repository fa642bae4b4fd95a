"""The API server admits what the chart renders for production, by the operators' own definitions, and refuses mistakes.

No operator runs: Strimzi's, cert-manager's and the Prometheus operator's cannot be built here. The server itself checks
each field, also that it exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from node.cluster import Cluster
from prepare import definitions
from release import CHART, NAME, Platform

pytestmark = pytest.mark.timeout(600)
MORE: dict[str, Any] = {
    "cnpg": {"pooler": {"instances": 2}, "backup": {"objectStore": "store"}, "walStorage": {"size": "5Gi"}},
    # A Gateway ends TLS itself.
    "tls": {"front": {"enabled": False}},
    "gatewayApi": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "edge"}],
        "httpHostnames": ["shop.example"],
        "grpcHostnames": ["grpc.shop.example"],
    },
}
# Of the groups of operators, what values-prod.yaml and MORE render.
KINDS = {
    "Certificate",
    "Cluster",
    "GRPCRoute",
    "HTTPRoute",
    "Kafka",
    "KafkaNodePool",
    "KafkaTopic",
    "KafkaUser",
    "Pooler",
    "PrometheusRule",
    "ScaledObject",
    "ScheduledBackup",
    "ServiceMonitor",
}
# kind, where, a wrong value, and what the server says of it
MISTAKES: list[tuple[str, list[str | int], Any, str]] = [
    ("Kafka", ["spec", "kafka", "listeners", 0, "type"], "outside", "spec.kafka.listeners[0].type: Unsupported value"),
    ("Kafka", ["spec", "kafka", "racks"], {}, 'unknown field "spec.kafka.racks"'),
    ("KafkaNodePool", ["spec", "roles"], ["boss"], "spec.roles[0]: Unsupported value"),
    ("KafkaTopic", ["spec", "partitions"], 0, "spec.partitions: Invalid value"),
    (
        "KafkaUser",
        ["spec", "authorization", "acls", 0, "operations"],
        ["Shout"],
        "spec.authorization.acls[0].operations",
    ),
    ("Cluster", ["spec", "instances"], 0, "spec.instances: Invalid value"),
    ("Cluster", ["spec", "postgresql", "synchronous", "method"], "all", "spec.postgresql.synchronous.method"),
    ("Pooler", ["spec", "type"], "w", "spec.type: Unsupported value"),
    ("ScheduledBackup", ["spec", "method"], "copy", "spec.method: Unsupported value"),
    ("Certificate", ["spec", "issuerRef"], None, "spec.issuerRef: Required value"),
    ("ScaledObject", ["spec", "triggers", 0, "typ"], "x", 'unknown field "spec.triggers[0].typ"'),
    ("ServiceMonitor", ["spec", "endpoints", 0, "scheme"], "ftp", "spec.endpoints[0].scheme: Unsupported value"),
    ("PrometheusRule", ["spec", "groups", 0, "rules", 0, "expr"], None, "spec.groups[0].rules[0].expr: Required value"),
    ("HTTPRoute", ["spec", "hostnames"], ["a b"], "spec.hostnames[0]: Invalid value"),
    ("GRPCRoute", ["spec", "rules", 0, "backendRefs", 0, "weight"], -1, "spec.rules[0].backendRefs[0].weight"),
]


@pytest.fixture(scope="module")
def edge(cluster: Cluster) -> Iterator[Platform]:
    """A namespace for what is never made, and the operators' definitions, which stay."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(definitions.FILE))
    cluster.kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=120s")
    cluster.kubectl("create", "namespace", "admission")
    yield Platform(cluster, "admission", 0)
    cluster.kubectl("delete", "namespace", "admission")


def rendered(edge: Platform) -> list[dict[str, Any]]:
    """Return what the chart renders for production, with everything that is optional there."""
    words = ("template", NAME, str(CHART), f"--values={CHART / 'values-prod.yaml'}", "--values=-")
    return [one for one in yaml.safe_load_all(edge.helm(*words, given=json.dumps(MORE))) if one]


def apply(edge: Platform, objects: list[dict[str, Any]]) -> list[str]:
    """Ask whether the server would admit objects, with no unknown field, and return its answers."""
    given = yaml.safe_dump_all(objects)
    return edge.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=given).splitlines()


def test_all_that_is_rendered_for_production_is_admitted(edge: Platform) -> None:
    objects = rendered(edge)
    assert {one["kind"] for one in objects} >= KINDS
    answers = apply(edge, objects)
    assert [one for one in answers if not one.endswith(" created (server dry run)")] == []
    assert len(answers) == len(objects)


@pytest.mark.parametrize(
    ("kind", "where", "value", "said"), MISTAKES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_mistake_is_refused_with_its_field(
    edge: Platform, kind: str, where: list[str | int], value: Any, said: str
) -> None:
    wrong: Any = next(one for one in rendered(edge) if one["kind"] == kind)
    assert apply(edge, [wrong])
    place = wrong
    for step in where[:-1]:
        place = place[step]
    if value is None:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    with pytest.raises(RuntimeError) as refusal:
        apply(edge, [wrong])
    assert said in str(refusal.value)
