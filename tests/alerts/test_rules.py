"""The alert rules: their form, their tests, and that each leads to a page of the runbook."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import monitoring
import pytest
import yaml
from guide import MARKED
from monitoring import ROOT, RULES, SHIPPED

from runtime.telemetry.metrics import catalogue

RUNBOOK = ROOT / "docs" / "runbook"
RUNBOOK_URL = "https://ordermesh.example/runbook/"
SEVERITIES = {"critical", "warning"}
TESTS = sorted((SHIPPED / "tests").glob("*.yaml"))
NAMED = re.compile(r'alertname(=~?)"([^"]+)"')
METRIC = re.compile(r"\b(?:ordermesh|envoy|node|kubelet|process)(?:_[a-z0-9]+)+\b")
PAGE_PARTS = ("What it means", "What to look at", "What to type", "How to know it is over")
# What may be missing: counters, which exist from their first event on; process_start_time_seconds, which services of
# several processes do not have; disks, which are those of node_exporter or of a cluster. The timestamp of the verdict
# has `absent` in its own alert.
MAY_BE_ABSENT = {
    "ordermesh_orders_accepted_total", "ordermesh_events_published_total", "ordermesh_events_counted_total",
    "ordermesh_events_deduplicated_total", "ordermesh_dead_letters_total", "ordermesh_events_read_total",
    "ordermesh_event_delay_seconds_count", "ordermesh_event_delay_seconds_bucket", "envoy_ordermesh_requests_total",
    "ordermesh_reconciliation_last_verdict_timestamp_seconds", "envoy_cluster_membership_total", "envoy_server_uptime",
    "process_start_time_seconds",
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_filesystem_readonly",
    "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
}  # fmt: skip


class Alert(NamedTuple):
    """An alert rule, told by its name and severity."""

    name: str
    severity: str

    @property
    def page(self) -> str:
        """The name of its page: OrdermeshOutboxOld is outbox-old."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.name.removeprefix("Ordermesh")).lower()


def rules() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each rule with its file."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield path, rule


ALERT_RULES = [(path, rule) for path, rule in rules() if "alert" in rule]
every_alert = pytest.mark.parametrize(
    ("path", "rule"), ALERT_RULES, ids=[f"{rule['alert']}-{rule['labels']['severity']}" for _, rule in ALERT_RULES]
)


def alert(rule: dict[str, Any]) -> Alert:
    return Alert(rule["alert"], rule["labels"]["severity"])


ALERTS = [alert(rule) for _, rule in ALERT_RULES]


def test_promtool_accepts_the_rules_and_both_configurations() -> None:
    checked = monitoring.run(monitoring.promtool(), "check", "rules", *RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name in ("local.yaml", "compose.yaml"):
        checked = monitoring.run(monitoring.promtool(), "check", "config", SHIPPED / name)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_amtool_accepts_the_configuration_and_routes_by_severity() -> None:
    path = SHIPPED / "alertmanager.yaml"
    checked = monitoring.run(monitoring.amtool(), "check-config", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for severity in SEVERITIES:
        routes = ("config", "routes", "test", f"--config.file={path}", f"severity={severity}", "alertname=Any")
        assert monitoring.run(monitoring.amtool(), *routes).stdout.strip() == severity


@pytest.mark.parametrize("path", TESTS, ids=[path.stem for path in TESTS])
def test_rules_fire_and_are_silent_as_their_tests_say(path: Path) -> None:
    tested = monitoring.run(monitoring.promtool(), "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def expectations() -> Iterator[dict[str, Any]]:
    """Yield what the tests expect: an expression, a time and the samples that it has then."""
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            yield from group["promql_expr_test"]


def asked(expression: str) -> set[Alert]:
    """Return the alerts that an expression asks for by name, and by severity if it names one."""
    found = NAMED.search(expression)
    if found is None:
        return set()
    pattern = found[2] if "~" in found[1] else re.escape(found[2])
    severities = [one for one in SEVERITIES if f'severity="{one}"' in expression] or SEVERITIES
    return {one for one in ALERTS if re.fullmatch(pattern, one.name) and one.severity in severities}


def shown(samples: list[dict[str, Any]]) -> set[Alert]:
    """Return the alerts of samples."""
    labels = [dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"])) for sample in samples]
    return {Alert(one["alertname"], one["severity"]) for one in labels if "alertname" in one}


def test_each_alert_fires_in_one_test_and_is_silent_in_another() -> None:
    fires = {one for case in expectations() for one in shown(case["exp_samples"])}
    silent = {one for case in expectations() for one in asked(case["expr"]) - shown(case["exp_samples"])}
    assert [one for one in ALERTS if one not in fires] == []
    assert [one for one in ALERTS if one not in silent] == []


@every_alert
def test_an_alert_says_what_it_is_and_what_to_do(path: Path, rule: dict[str, Any]) -> None:
    name = alert(rule)
    assert re.fullmatch(r"Ordermesh([A-Z][a-z]+)+", name.name)
    assert name.severity in SEVERITIES
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert not annotations["summary"].endswith(".")
    assert annotations["description"].endswith(".")
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}{path.stem}/{name.page}.html"


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    pages = {str(page.relative_to(RUNBOOK).with_suffix("")) for page in RUNBOOK.glob("*/*.md")}
    assert pages == {f"{path.stem}/{alert(rule).page}" for path, rule in ALERT_RULES}


@every_alert
def test_a_page_of_the_runbook_has_the_form_and_is_listed_under_its_severity(path: Path, rule: dict[str, Any]) -> None:
    name = alert(rule)
    page = (RUNBOOK / path.stem / f"{name.page}.md").read_text()
    assert page.startswith(f"# {name.name}\n")
    assert tuple(re.findall(r"^## (.+)$", page, re.MULTILINE)) == PAGE_PARTS
    parts = re.split(r"^## ", (RUNBOOK / "index.md").read_text(), flags=re.MULTILINE)
    (listed,) = [part for part in parts if part.lower().startswith(name.severity)]
    assert f"]({path.stem}/{name.page}.md)" in listed


def live_tests() -> dict[str, str]:
    """Return the tests that follow pages, by name, with their source."""
    paths = (ROOT / "tests" / "runbook").glob("test_*.py")
    found = {}
    for path in paths:
        text = path.read_text()
        assert "pytest.mark.long" in text
        functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)]
        found |= {one.name: ast.get_source_segment(text, one) or "" for one in functions}
    return found


@every_alert
def test_a_page_of_the_runbook_is_followed_by_a_live_test_with_every_command(path: Path, rule: dict[str, Any]) -> None:
    name = alert(rule)
    page = f"{path.stem}/{name.page}.md"
    followed = live_tests()[f"test_{name.page.replace('-', '_')}"]
    assert f'"{page}"' in followed
    assert f'"{name.name}"' in followed
    text = (RUNBOOK / page).read_text()
    assert text.count("```console") + text.count("```bash") == len(MARKED.findall(text)) > 0


def exported(metric: str) -> str:
    """Return the name that a metric has in the catalogue."""
    return re.sub(r"_(bucket|count|sum)$", "", metric)


def used(rule: dict[str, Any]) -> set[str]:
    """Return the metrics of a rule's expression."""
    return set(METRIC.findall(re.sub(r'"[^"]*"', "", rule["expr"])))


def test_the_metrics_of_the_rules_exist() -> None:
    known = {metric.name for metric in catalogue()}
    named = {name for _, rule in rules() for name in used(rule) if name.startswith("ordermesh_")}
    assert {name for name in named if name not in known and exported(name) not in known} == set()


def test_an_alert_is_not_silent_without_its_metric() -> None:
    (absence,) = [rule for _, rule in ALERT_RULES if rule["alert"] == "OrdermeshMetricsAbsent"]
    watched = used(absence)
    assert {name for _, rule in rules() for name in used(rule)} - watched == MAY_BE_ABSENT
    labels = re.findall(r'absent\((\w+)\), "metric", "(\w+)"', absence["expr"])
    assert [name for name, label in labels if name not in (label, f"ordermesh_{label}")] == []
