"""What the chart says a second time agrees with the code, the compose file and the rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from chart_rendering import CHART, FULL, NAMESPACE, ROOT, VARIANTS, containers, environment, named, objects, pods
from frontdoor.filters.authentication import keys_resource
from frontdoor.values import EnvoyValues

from runtime.kafka import access, topics

PROGRAMS = {
    line.split(":")[0]: set(line.strip().partition(": ")[2].split(", "))
    for line in (ROOT / "runtime/setting_names.txt").read_text().splitlines()
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
# Of the container, not of the program: where files are, and what the chart decides by its values.
OF_COMPOSE = {"ORDERMESH_ORDERS_DSN_FILE", "ORDERMESH_ANALYTICS_DSN_FILE", "ORDERMESH_TRACE_URL"}


def test_copied_files_are_current() -> None:
    check = [sys.executable, str(ROOT / "deploy/helm/generate.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_is_a_setting_of_its_program(variant: str) -> None:
    for name, spec in pods(variant).items():
        for container in containers(spec):
            if container["image"].partition(":")[0] != "ordermesh":
                continue
            words = container["args"][: 2 if container["args"][0] in ("orders", "processor") else 1]
            for variable in environment(container):
                if variable.startswith("ORDERMESH_"):
                    programs = PROGRAMS[variable.removesuffix("_FILE")]
                    # `ordermesh load` is the load generator with an address of its own.
                    assert programs & {" ".join(words), *(["ordermesh load"] if words == ["loadgen"] else [])}, (
                        name,
                        variable,
                    )


@pytest.mark.parametrize("service", ["orders", "publisher", "processor", "analytics", "gateway"])
def test_a_service_has_the_settings_of_the_compose_file(service: str) -> None:
    ours = environment(named("dev", "Deployment", service)["spec"]["template"]["spec"]["containers"][0])
    theirs = {name for name in COMPOSE[service]["environment"] if name.startswith("ORDERMESH_")} - OF_COMPOSE
    assert theirs <= set(ours)
    assert (
        COMPOSE[service]["command"]
        == named("dev", "Deployment", service)["spec"]["template"]["spec"]["containers"][0]["args"]
    )


def test_the_servers_for_development_are_those_of_the_compose_file() -> None:
    for name, theirs in (("postgresql", "postgres"), ("kafka", "kafka"), ("envoy", "envoy")):
        image = VALUES[name]["image"]
        assert f"{image['repository']}:{image['tag']}" == COMPOSE[theirs]["image"]
    arguments = named("dev", "StatefulSet", "postgresql")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert sorted(arguments) == sorted(COMPOSE["postgres"]["command"])
    ours = environment(named("dev", "StatefulSet", "kafka")["spec"]["template"]["spec"]["containers"][0])
    theirs = COMPOSE["kafka"]["environment"]
    different = {name for name in theirs if ours.get(name) != theirs[name]}
    # The agent of JMX is left out, and the address is the cluster's.
    assert different == {"KAFKA_OPTS", "KAFKA_ADVERTISED_LISTENERS"}


def test_the_generated_key_is_in_the_form_that_envoy_reads() -> None:
    secret = named("dev", "Secret", "api-keys")["stringData"]
    assert json.loads(secret["keys.json"]) == keys_resource({secret["operator"]: "operator:operator"})


def test_kafka_users_have_the_grants_of_the_code() -> None:
    group = "ordermesh-metrics"
    found = {
        (
            f"ordermesh-{one['metadata']['name'].removeprefix(f'{FULL}-kafka-')}",
            rule["resource"]["type"],
            rule["resource"]["name"],
            operation,
        )
        for one in objects("prod", "KafkaUser")
        for rule in one["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    }
    assert found == {
        (grant.user, "topic" if grant.topics else "group", name, operation)
        for grant in access.GRANTS
        for name in grant.topics or (group,)
        for operation in grant.operations
    }


def test_the_topics_of_strimzi_are_those_of_the_code_and_survive_a_broker() -> None:
    found = {one["spec"]["topicName"]: one["spec"] for one in objects("prod", "KafkaTopic")}
    assert set(found) == set(access.TOPICS)
    for name, spec in found.items():
        assert (spec["replicas"], spec["config"]["min.insync.replicas"]) == (3, 2)
        letters = topics.DEAD_LETTER_CONFIG if name.endswith(".dlq") else {}
        assert {key: str(value) for key, value in spec["config"].items()}.items() >= letters.items()


def test_envoy_finds_the_services_by_the_names_that_the_chart_gives_them() -> None:
    values = EnvoyValues.cluster().prefixed(f"{FULL}-")
    hosts = {one.host for one in (*values.orders, *values.analytics, *values.gateway)}
    headless = {
        one["metadata"]["name"]: one for one in objects("dev", "Service") if one["spec"].get("clusterIP") == "None"
    }
    assert hosts <= set(headless)
    front = named("dev", "Deployment", "envoy")["spec"]["template"]["spec"]["initContainers"][0]["args"]
    assert front[front.index("--service-prefix") + 1] == f"{FULL}-"


def test_roles_of_the_operators_databases_are_those_of_the_compose_file() -> None:
    made = set(re.findall(r"(?:orders|analytics)_\w+", (ROOT / "deploy/compose/postgres-init.sh").read_text()))
    for name in ("orders", "analytics"):
        spec = named("prod", "Cluster", f"{name}-db")["spec"]
        managed = {role["name"] for role in spec["managed"]["roles"]} | {spec["bootstrap"]["initdb"]["owner"]}
        assert managed == {role for role in made if role.startswith(f"{name}_")}


def test_the_operator_reaches_the_databases_that_everybody_else_is_kept_out_of() -> None:
    """Else a lost primary never follows the new one, and no commit is on two disks again; and poolers let nobody in."""
    for name in ("orders", "analytics"):
        done = named("prod", "Cluster", f"{name}-db")["spec"]["bootstrap"]["initdb"]["postInitSQL"]
        assert "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC" in done
        role = done.index("CREATE ROLE streaming_replica LOGIN REPLICATION")
        assert done[role + 1] == "GRANT CONNECT ON DATABASE postgres TO streaming_replica"
        assert "CREATE ROLE cnpg_pooler_pgbouncer LOGIN" in done
        own = named("prod", "Cluster", f"{name}-db")["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
        assert f'GRANT CONNECT ON DATABASE "{name}" TO cnpg_pooler_pgbouncer' in own


def test_rules_and_monitors_are_those_of_the_cluster_with_this_namespace() -> None:
    (rule,) = objects("prod", "PrometheusRule")
    source = (ROOT / "deploy/prometheus/cluster/prometheus-rule.yaml").read_text()
    assert 'namespace="ordermesh"' in source
    assert rule["spec"] == yaml.safe_load(source.replace('namespace="ordermesh"', f'namespace="{NAMESPACE}"'))["spec"]
    monitors = objects("prod", "ServiceMonitor")
    assert len(monitors) == 2
    labels = [
        one["metadata"]["labels"]
        for one in objects("prod", "Service")
        if any(port["name"] == "metrics" for port in one["spec"]["ports"])
    ]
    for monitor in monitors:
        assert any(monitor["spec"]["selector"]["matchLabels"].items() <= found.items() for found in labels)
