"""What a person gives as values: presets, mistakes, and the tests of the chart itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart_rendering import CHART, DEV, EXTERNAL, PROD, environment, helm, named, objects, template, tool

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.parametrize("preset", [DEV, PROD])
def test_helm_lint_finds_nothing(preset: str) -> None:
    done = helm("lint", "--strict", "--quiet", str(CHART), f"--values={CHART / preset}")
    assert done.returncode == 0, done.stdout


def test_the_tests_of_the_chart_pass() -> None:
    done = subprocess.run([tool("helm-unittest"), "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def properties(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of the values that a schema knows."""
    schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from properties(inner, f"{path}{name}.")


def given(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of values."""
    for name, value in values.items():
        yield f"{path}{name}"
        if isinstance(value, dict):
            yield from given(value, f"{path}{name}.")


def test_each_value_of_the_schema_has_a_default() -> None:
    # Helm sets `global`; the others need none.
    optional = {"global", "tls.certManager.frontIssuer.group", "tls.certManager.servicesIssuer.group"}
    assert set(properties(SCHEMA)) - set(given(VALUES)) == optional


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"orders": {"replicsa": 2}}, "at '/orders': additional properties 'replicsa' not allowed"),
        ({"orders": {"replicas": "two"}}, "at '/orders/replicas': got string, want integer"),
        ({"image": {"digest": "0.1.0"}}, "at '/image/digest': '0.1.0' does not match pattern"),
        ({"front": {"service": {"type": "Loadbalancer"}}}, "at '/front/service/type': value must be one of"),
        ({"kafka": {"minInsyncReplicas": 3}}, "kafka.minInsyncReplicas must be at most kafka.replication"),
        ({"orders": {"autoscaling": {"minReplicas": 9}}}, "orders.autoscaling.minReplicas must be at most"),
        ({"auth": {"mode": "jwt"}}, "auth.jwt.issuer is required with auth.mode jwt"),
        ({"tls": {"front": {"enabled": True}}}, "tls.front.existingSecret is required with tls.front.enabled"),
        ({"keda": {"enabled": True}}, "keda.prometheus is required"),
        (
            {"processor": {"autoscaling": {"enabled": True}}, "kafka": {"partitions": 1}},
            "minReplicas must be at most 1",
        ),
        ({"kafka": {"acls": False}}, "kafka.enabled requires kafka.acls"),
        ({"kafka": {"replication": 3}}, "kafka.replication must be 1 with kafka.enabled"),
        ({"ordersDatabase": {"name": "shop"}}, "ordersDatabase.name must be orders with postgresql.enabled"),
        ({"analyticsDatabase": {"port": 6432}}, "analyticsDatabase.port must be 5432"),
        (
            {"ordersDatabase": {"existingSecrets": {"app": "mine"}}},
            "ordersDatabase.existingSecrets.app and postgresql.enabled exclude each other",
        ),
        ({"front": {"service": {"nodePort": 30080}}}, "front.service.nodePort requires front.service.type"),
        ({"commonLabels": {"app.kubernetes.io/name": "mine"}}, "commonLabels must not have app.kubernetes.io/name"),
        ({"gatewayApi": {"enabled": True}}, "gatewayApi.httpHostnames or gatewayApi.grpcHostnames is required"),
        (
            {"gatewayApi": {"enabled": True}, "tls": {"front": {"enabled": True, "existingSecret": "front"}}},
            "gatewayApi.enabled and tls.front.enabled exclude each other",
        ),
        (
            {"networkPolicy": {"enabled": True}, "traces": {"endpoint": "http://one.example:4317"}},
            "networkPolicy.collector is required with traces.endpoint",
        ),
        (
            {"networkPolicy": {"enabled": True}, "serviceMonitor": {"enabled": True}},
            "networkPolicy.prometheus is required with serviceMonitor.enabled",
        ),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], told: str) -> None:
    done = template(DEV, values=values)
    assert done.returncode != 0
    assert told in done.stderr


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("tokens.existingSecret", "tokens.existingSecret is required, or credentials.generate"),
        ("ordersDatabase.host", "ordersDatabase.host is required, or postgresql.enabled, or cnpg.enabled"),
        ("ordersDatabase.existingSecrets.app", "ordersDatabase.existingSecrets.app is required"),
        ("kafka.bootstrap", "kafka.bootstrap is required, or kafka.enabled, or strimzi.enabled"),
        ("kafka.existingSecrets.gateway", "kafka.existingSecrets.gateway is required"),
    ],
)
def test_a_missing_value_is_named(path: str, told: str) -> None:
    values = json.loads(json.dumps(EXTERNAL))
    *parents, name = path.split(".")
    inner = values
    for parent in parents:
        inner = inner[parent]
    inner[name] = ""
    done = template(values=values)
    assert done.returncode != 0
    assert told in done.stderr


def test_another_image_makes_other_jobs_and_the_same_image_the_same() -> None:
    def jobs(tag: str) -> set[str]:
        done = template(DEV, values={"image": {"tag": tag}})
        return {one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one and one["kind"] == "Job"}

    assert jobs("one") == jobs("one")
    assert not jobs("one") & jobs("two")


def test_an_external_database_is_verified_with_its_authority() -> None:
    uri = environment(named("external", "Deployment", "orders")["spec"]["template"]["spec"]["containers"][0])
    expected = (
        "postgresql://orders_app@one.example:5432/orders?sslmode=verify-full&sslrootcert=/secrets/postgresql-ca/ca.crt"
    )
    assert uri["ORDERMESH_ORDERS_DSN"] == expected


def test_operators_are_used_only_where_they_are_enabled() -> None:
    known = {"Deployment", "StatefulSet", "Job", "Pod", "Service", "ServiceAccount", "Secret", "ConfigMap"}
    assert {one["kind"] for one in objects("dev")} == known
    prod = {one["kind"] for one in objects("prod")}
    assert prod >= {"Cluster", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "ScaledObject", "Certificate"}
    assert not prod & {"StatefulSet", "Secret"}


def test_the_behavior_of_all_scaling_is_one_value_and_no_answer_scales_nothing() -> None:
    values = {"autoscalingBehavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}
    rendered = [one for one in yaml.safe_load_all(template(PROD, values=values).stdout) if one]
    scaled = [one for one in rendered if one["kind"] == "ScaledObject"]
    expected = {
        "scaleUp": VALUES["autoscalingBehavior"]["scaleUp"],
        "scaleDown": {**VALUES["autoscalingBehavior"]["scaleDown"], "stabilizationWindowSeconds": 60},
    }
    behaviors = [one["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] for one in scaled]
    behaviors += [one["spec"]["behavior"] for one in rendered if one["kind"] == "HorizontalPodAutoscaler"]
    assert behaviors == [expected] * 4
    assert {one["spec"]["triggers"][0]["metadata"]["ignoreNullValues"] for one in scaled} == {"false"}


def test_a_hot_partition_wants_one_pod_and_no_scale_exceeds_the_partitions() -> None:
    (scaled,) = [one for one in objects("prod", "ScaledObject") if one["metadata"]["name"].endswith("processor")]
    (trigger,) = scaled["spec"]["triggers"]
    most = VALUES["keda"]["lagEvents"]
    assert f"{most}))" in trigger["metadata"]["query"]
    assert trigger["metadata"]["threshold"] == str(most)
    readers = scaled["spec"]["maxReplicaCount"] * VALUES["processor"]["workers"]
    assert readers <= VALUES["kafka"]["partitions"]
