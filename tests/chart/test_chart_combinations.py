"""What values render together: databases with parameters, closed pods, variables of one's own, names and numbers."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from chart_rendering import CHART, DEV, EXTERNAL, PROD, environment, helm, objects, template


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            "connect_timeout=5",
            {"connect_timeout=5", "sslmode=verify-full", "sslrootcert=/secrets/postgresql-ca/ca.crt"},
        ),
        ("sslmode=verify-ca", {"sslmode=verify-ca", "sslrootcert=/secrets/postgresql-ca/ca.crt"}),
        ("sslmode=require&sslrootcert=system", {"sslmode=require", "sslrootcert=system"}),
    ],
)
def test_parameters_of_a_database_keep_the_verification_that_they_do_not_name(
    parameters: str, expected: set[str]
) -> None:
    (orders,) = deployed(
        {**EXTERNAL, "ordersDatabase": {**EXTERNAL["ordersDatabase"], "parameters": parameters}}, "orders"
    )
    assert set(environment(orders)["ORDERMESH_ORDERS_DSN"].partition("?")[2].split("&")) == expected


def deployed(values: dict[str, Any], component: str, *presets: str) -> list[dict[str, Any]]:
    """Return the containers of a Deployment."""
    done = template(*presets, values=values)
    assert done.returncode == 0, done.stderr
    (one,) = [
        one
        for one in yaml.safe_load_all(done.stdout)
        if one and one["kind"] == "Deployment" and one["metadata"]["name"].endswith(f"-{component}")
    ]
    spec: dict[str, Any] = one["spec"]["template"]["spec"]
    return list(spec["containers"])


def test_each_policy_of_an_issuer_lets_envoy_out_to_its_port() -> None:
    there = [{"ipBlock": {"cidr": "203.0.113.7/32"}}]
    closed = {"enabled": True, "postgresql": there, "kafka": there, "collector": there}
    values = {**EXTERNAL, "networkPolicy": closed}
    assert "networkPolicy.issuer is required" in template(values=values).stderr
    done = template(values={**values, "networkPolicy": {**closed, "issuer": there}})
    (policy,) = [
        one
        for one in yaml.safe_load_all(done.stdout)
        if one and one["kind"] == "NetworkPolicy" and one["metadata"]["name"].endswith("-envoy")
    ]
    assert {"ports": [{"port": 443}], "to": there} in policy["spec"]["egress"]
    assert {"ports": [{"port": 4317}], "to": there} in policy["spec"]["egress"]


def test_jobs_are_others_when_the_labels_of_their_pods_are() -> None:
    def jobs(team: str) -> set[str]:
        done = template(DEV, values={"commonLabels": {"team": team}})
        return {one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one and one["kind"] == "Job"}

    assert not jobs("one") & jobs("two")


def test_a_variable_of_ours_replaces_the_chart_s_in_each_container() -> None:
    mine = [{"name": "ORDERMESH_LOG_LEVEL", "value": "debug"}]
    done = template(DEV, values={name: {"extraEnv": mine} for name in ("orders", "envoy", "jobs")})
    for one in yaml.safe_load_all(done.stdout):
        if one and one["kind"] in ("Deployment", "Job"):
            spec = one["spec"]["template"]["spec"]
            for container in [*spec.get("initContainers", ()), *spec["containers"]]:
                names = [variable["name"] for variable in container.get("env", ())]
                assert len(names) == len(set(names)), container["name"]
                if one["metadata"]["name"].endswith(("-orders", "-envoy")) or one["kind"] == "Job":
                    assert container["name"].endswith("-started") or mine[0] in container["env"], container["name"]


def test_whole_numbers_of_a_file_of_values_are_written_as_such() -> None:
    values = {
        "kafka": {"settings": {"log.retention.ms": 604800000}},
        "postgresql": {"settings": {"work_mem": 4194304}},
    }
    text = template(DEV, values=values).stdout
    assert 'value: "604800000"' in text
    assert "work_mem=4194304" in text
    prod = template(
        PROD, values={"strimzi": {"config": {"log.retention.ms": 604800000}}, "keda": {"lagEvents": 2000000}}
    )
    assert 'log.retention.ms: "604800000"' in prod.stdout
    assert "2000000))" in prod.stdout
    assert "e+0" not in text + prod.stdout


def test_no_scale_of_processors_has_pods_without_a_partition() -> None:
    values = {"kafka": {"partitions": 3}}
    found = [one for one in yaml.safe_load_all(template(PROD, values=values).stdout) if one]
    (scaled,) = [
        one for one in found if one["kind"] == "ScaledObject" and one["metadata"]["name"].endswith("processor")
    ]
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (2, 2)
    without = template(PROD, values={**values, "keda": {"enabled": False}})
    (scaled,) = [
        one
        for one in yaml.safe_load_all(without.stdout)
        if one and one["kind"] == "HorizontalPodAutoscaler" and one["metadata"]["name"].endswith("processor")
    ]
    assert scaled["spec"]["maxReplicas"] == 2


def test_long_names_of_releases_stay_apart() -> None:
    names = [
        helm("template", release, str(CHART), f"--values={CHART / DEV}", "--show-only=templates/services/gateway.yaml")
        for release in ("ordermesh-shop-production-europe-west-1", "ordermesh-shop-production-europe-west-2")
    ]
    first, second = ({one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one} for done in names)
    assert not first & second
    assert max(map(len, first)) <= 63


def test_a_public_issuer_is_asked_for_public_names_only_and_addresses_are_addresses() -> None:
    values = {
        "front": {"hosts": ["shop.example", "203.0.113.5"]},
        "tls": {"certManager": {"innerNames": False}},
    }
    done = template(PROD, values=values)
    (front,) = [
        one["spec"]
        for one in yaml.safe_load_all(done.stdout)
        if one and one["kind"] == "Certificate" and one["metadata"]["name"].endswith("-front")
    ]
    assert (front["dnsNames"], front["ipAddresses"]) == (["shop.example"], ["203.0.113.5"])


def test_what_strimzi_makes_is_restricted_and_may_write_its_volumes() -> None:
    (pool,) = objects("prod", "KafkaNodePool")
    (kafka,) = objects("prod", "Kafka")
    templates = [pool["spec"]["template"], kafka["spec"]["entityOperator"]["template"]]
    for template_of in templates:
        pod = template_of["pod"]["securityContext"]
        assert (pod["runAsNonRoot"], pod["seccompProfile"], pod["fsGroup"]) == (True, {"type": "RuntimeDefault"}, 0)
    contexts = [
        inner["securityContext"]
        for one in templates
        for name, inner in one.items()
        if name.lower().endswith("container")
    ]
    assert len(contexts) == 4
    for context in contexts:
        assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
