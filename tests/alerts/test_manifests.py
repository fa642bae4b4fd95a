"""What is applied to a cluster: made from the rules, valid by the operator's schema, with the jobs of the rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from monitoring import RULES, SHIPPED

CLUSTER = SHIPPED / "cluster"
MANIFESTS = sorted(CLUSTER.glob("*.yaml"))
JOBS = {f"ordermesh-{name}" for name in ("orders", "publisher", "processor", "analytics", "gateway", "envoy")}
# The module has the published CRDs; the operator accepts older manifests.
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
CRDS = "example/prometheus-operator-crd"
FETCH_SECONDS = 300


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


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schemas of the operator's resources by kind, closed: an unknown field is an error."""
    go = shutil.which("go")
    if go is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Go is missing: it fetches the operator's CRDs")
    folder = tmp_path_factory.mktemp("operator")
    downloaded = subprocess.run(
        [str(go), "mod", "download", "-json", OPERATOR], cwd=folder, capture_output=True, text=True, check=True,
        timeout=FETCH_SECONDS,
    ).stdout  # fmt: skip
    source = Path(json.loads(downloaded)["Dir"]) / CRDS
    found = {}
    for name in ("prometheusrules", "servicemonitors"):
        crd = yaml.safe_load((source / f"monitoring.coreos.com_{name}.yaml").read_text())
        (version,) = [one for one in crd["spec"]["versions"] if one["name"] == "v1"]
        found[crd["spec"]["names"]["kind"]] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema: Any) -> Any:
    """Return a schema whose objects have no other fields, as the API server drops or refuses them."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(inner.get("properties"), dict) and "additionalProperties" not in inner:
        inner["additionalProperties"] = False
    return inner


@pytest.mark.long
@pytest.mark.parametrize("path", MANIFESTS, ids=[path.stem for path in MANIFESTS])
def test_manifests_are_valid_by_the_published_schema(path: Path, schemas: dict[str, Any]) -> None:
    for document in documents(path):
        metadata = document.pop("metadata")
        assert set(metadata) == {"name", "labels"}
        jsonschema.Draft202012Validator(schemas[document["kind"]]).validate(document)


@pytest.mark.long
def test_the_schema_refuses_a_wrong_field_and_a_wrong_duration(schemas: dict[str, Any]) -> None:
    for change in ({"fore": "1m"}, {"for": "a minute"}):
        (rule,) = documents(CLUSTER / "prometheus-rule.yaml")
        rule.pop("metadata")
        rule["spec"]["groups"][-1]["rules"][-1] |= change
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schemas["PrometheusRule"]).validate(rule)
