"""What is applied to a cluster: made from the rules, valid by the operator's schema, with the jobs of the rules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from monitoring import ROOT, RULES, SHIPPED

CLUSTER = SHIPPED / "cluster"
MANIFESTS = sorted(CLUSTER.glob("*.yaml"))
JOBS = {f"ordermesh-{name}" for name in ("orders", "publisher", "processor", "analytics", "gateway", "envoy")}
# Closed: an unknown field is an error. tests/chart/update_crds.py says where they come from.
CRDS = ROOT / "tests" / "chart" / "crds"


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def test_the_prometheus_rule_is_generated_from_the_rules() -> None:
    check = [sys.executable, str(SHIPPED / "generate.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0
    (rule,) = documents(CLUSTER / "prometheus-rule.yaml")
    assert rule["spec"]["groups"] == [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]


def test_the_links_to_the_runbook_can_lead_elsewhere() -> None:
    printed = subprocess.run(
        [sys.executable, str(SHIPPED / "generate.py"), "--runbooks", "https://docs.example/run"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "https://docs.example/run/pipeline/outbox-old.html" in printed
    assert "ordermesh.example" not in printed


def test_jobs_have_the_names_of_the_rules_on_a_machine_in_compose_and_on_a_cluster() -> None:
    local = yaml.safe_load((SHIPPED / "targets" / "local.yaml").read_text())
    assert {one["labels"]["job"] for one in local} == JOBS
    compose = yaml.safe_load((SHIPPED / "compose.yaml").read_text())["scrape_configs"]
    assert JOBS - {one["job_name"] for one in compose} == set()
    monitors = documents(CLUSTER / "service-monitors.yaml")
    components = {
        value
        for one in monitors
        for expression in one["spec"]["selector"].get("matchExpressions", [])
        for value in expression["values"]
    } | {one["spec"]["selector"]["matchLabels"].get("app.kubernetes.io/component") for one in monitors}
    assert {f"ordermesh-{name}" for name in components - {None}} == JOBS
    for one in monitors:
        (relabeling,) = one["spec"]["endpoints"][0]["relabelings"]
        assert (relabeling["targetLabel"], relabeling["replacement"]) == ("job", "ordermesh-$1")


def schema(kind: str) -> dict[str, Any]:
    """Return the schema of a resource of the operator."""
    found: dict[str, Any] = json.loads((CRDS / f"monitoring.coreos.com_v1_{kind}.json").read_text())
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=[path.stem for path in MANIFESTS])
def test_manifests_are_valid_by_the_published_schema(path: Path) -> None:
    for document in documents(path):
        metadata = document.pop("metadata")
        assert set(metadata) == {"name", "labels"}
        jsonschema.Draft202012Validator(schema(document["kind"])).validate(document)


def test_the_schema_refuses_a_wrong_field_and_a_wrong_duration() -> None:
    for change in ({"fore": "1m"}, {"for": "a minute"}):
        (rule,) = documents(CLUSTER / "prometheus-rule.yaml")
        rule.pop("metadata")
        rule["spec"]["groups"][-1]["rules"][-1] |= change
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema("PrometheusRule")).validate(rule)
