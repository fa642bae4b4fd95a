"""What the chart renders is valid for the API server, and every pod is as restricted as it can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from chart_rendering import (
    DEV,
    FULL,
    KUBERNETES,
    PROD,
    VARIANTS,
    containers,
    environment,
    named,
    objects,
    pods,
    secrets_of,
    template,
)

from runtime.process import shutdown

CRDS = Path(__file__).parent / "crds"
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def validate(one: dict[str, Any]) -> None:
    """Raise ValidationError when the API server would refuse an object, or drop a field of it."""
    schema = CRDS / f"{one['apiVersion'].replace('/', '_')}_{one['kind']}.json"
    if schema.exists():
        jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(one)
    else:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


@every_variant
def test_objects_are_valid_by_the_schemas_of_the_api(variant: str) -> None:
    for one in objects(variant):
        validate(one)


@pytest.mark.parametrize(
    ("variant", "kind", "component"),
    [("dev", "Deployment", "orders"), ("prod", "Cluster", "orders-db"), ("prod", "Kafka", "kafka")],
)
def test_a_field_that_does_not_exist_is_found(variant: str, kind: str, component: str) -> None:
    one = named(variant, kind, component)
    validate(one)
    one["spec"]["replicsa"] = 1
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        validate(one)


@every_variant
def test_names_are_unique_and_short_enough_for_labels(variant: str) -> None:
    known = [(one["kind"], one["metadata"]["name"]) for one in objects(variant)]
    assert len(known) == len(set(known))
    assert all(len(name) <= 63 for _, name in known)


@pytest.mark.parametrize("preset", [DEV, PROD])
def test_names_fit_into_labels_with_the_longest_name_of_a_release(preset: str) -> None:
    done = template(preset, values={"fullnameOverride": "x" * 100})
    names = {one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one}
    assert max(map(len, names)) <= 63


@every_variant
def test_pods_are_restricted(variant: str) -> None:
    for name, spec in pods(variant).items():
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(spec):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name


@every_variant
def test_containers_say_what_they_need_and_have_a_limit_of_memory(variant: str) -> None:
    for name, spec in pods(variant).items():
        for container in containers(spec):
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name


@every_variant
def test_pods_have_accounts_of_their_own_without_a_token(variant: str) -> None:
    accounts = {one["metadata"]["name"]: one for one in objects(variant, "ServiceAccount")}
    used = [spec["serviceAccountName"] for spec in pods(variant).values()]
    assert sorted(used) == sorted(accounts)
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())


@every_variant
def test_selectors_match_the_pods_of_their_component(variant: str) -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in objects(variant, "Deployment", "StatefulSet")
    }
    selecting = objects(variant, "Service", "Deployment", "StatefulSet", "PodDisruptionBudget")
    for one in selecting:
        selector = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        matched = [name for name, found in labels.items() if selector.items() <= found.items()]
        assert matched == [f"{FULL}-{component}"], one["metadata"]["name"]


@every_variant
def test_ports_of_services_are_ports_of_their_pods(variant: str) -> None:
    ports = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: {
            port["name"] for container in one["spec"]["template"]["spec"]["containers"] for port in container["ports"]
        }
        for one in objects(variant, "Deployment", "StatefulSet")
    }
    for one in objects(variant, "Service"):
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports[component]


def test_each_program_reads_its_own_secrets_only() -> None:
    own = {name: secrets_of(spec) for name, spec in pods("dev").items() if name.startswith("Deployment/")}
    expected = {
        "orders": {"postgresql-orders-app", "tokens"},
        "publisher": {"postgresql-orders-publisher", "kafka-publisher"},
        "processor": {"postgresql-analytics-worker", "kafka-processor"},
        "analytics": {"postgresql-analytics-reader", "kafka-analytics", "tokens"},
        "gateway": {"kafka-gateway", "tokens"},
        "envoy": {"api-keys"},
    }
    assert own == {
        f"Deployment/{FULL}-{name}": {f"{FULL}-{secret}" for secret in secrets} for name, secrets in expected.items()
    }


@pytest.mark.parametrize("variant", ["dev", "external", "prod"])
def test_no_password_is_in_a_variable(variant: str) -> None:
    for name, spec in pods(variant).items():
        for container in containers(spec):
            for variable, value in environment(container).items():
                assert "@" not in value or ":" not in value.partition("@")[0].removeprefix("postgresql:"), (
                    name,
                    variable,
                )
                assert "password" not in value.lower() or variable.endswith("_FILE"), (name, variable)


def test_mounted_secrets_exist_in_the_release_for_development() -> None:
    made = {one["metadata"]["name"] for one in objects("dev", "Secret")}
    assert {secret for spec in pods("dev").values() for secret in secrets_of(spec)} == made


@every_variant
def test_a_pod_has_time_to_leave_and_to_drain(variant: str) -> None:
    for name, spec in pods(variant).items():
        (first, *_) = spec["containers"]
        leave = first.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if "grpc" in {port["name"] for port in first.get("ports", ())}:
            # Envoy asks every 2 s, and CoreDNS answers from its cache for 5 s.
            assert leave > 7, name
        if name.startswith("Deployment/") and first["name"] != "envoy":
            assert spec["terminationGracePeriodSeconds"] > leave + shutdown.STOP_SECONDS, name


CALLERS_OF_DATABASES = {
    "orders-db": {"orders", "publisher", "migrate-orders"},
    "analytics-db": {"processor", "analytics", "migrate-analytics"},
}


@pytest.mark.parametrize("variant", ["closed", "prod"])
def test_network_policies_close_every_pod_and_let_callers_in_that_may_get_out(variant: str) -> None:
    policies = {
        one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: one["spec"]
        for one in objects(variant, "NetworkPolicy")
    }
    databases = {name: policies.pop(name) for name in ("orders-db", "analytics-db") if name in policies}
    components = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]
        for one in objects(variant, "Deployment", "StatefulSet", "Job", "Pod")
    }
    assert components == set(policies)
    assert all(spec["policyTypes"] == ["Ingress", "Egress"] for spec in policies.values())
    inward = {(source, to, port) for to, spec in policies.items() for source, port in peers(spec["ingress"], "from")}
    outward = {(source, to, port) for source, spec in policies.items() for to, port in peers(spec["egress"], "to")}
    assert {one for one in inward if one[0] in policies} <= outward
    assert {one for one in outward if one[1] in policies} <= inward
    for name, spec in databases.items():
        callers = {source for source, port in peers(spec["ingress"], "from") if port == 5432}
        assert callers == {name, *CALLERS_OF_DATABASES[name]}
        assert {(caller, name, 5432) for caller in callers - {name}} <= outward
    assert ("envoy", "orders", 50051) in inward
    assert ("publisher", "orders", 50051) not in inward


def peers(rules: list[dict[str, Any]] | None, side: str) -> set[tuple[str, int]]:
    """Return the components and ports of rules."""
    return {
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"], port["port"])
        for rule in rules or ()
        for peer in rule.get(side, ())
        for port in rule["ports"]
        if "app.kubernetes.io/component" in peer.get("podSelector", {}).get("matchLabels", {})
    }
