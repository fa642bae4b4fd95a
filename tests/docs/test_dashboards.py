"""The Grafana dashboards show every metric, and are written as their source says."""

import json
import re
from pathlib import Path

from boards.every import BOARDS, files
from boards.exceptions import EXCEPTIONS

from runtime.telemetry.metrics import catalogue

DEPLOY = Path(__file__).parents[2] / "deploy" / "grafana"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def expressions() -> list[str]:
    """Return the queries of all panels."""
    boards = [json.loads(text) for text in files().values()]
    panels = [panel for board in boards for panel in board["panels"]]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_every_metric_is_on_a_panel_or_an_exception_with_a_reason() -> None:
    metrics = {metric.name for metric in catalogue()}
    on_panels = {SUFFIXES.sub("", name) for name in re.findall(r"\b(?<!envoy_)ordermesh_\w+", "\n".join(expressions()))}
    assert metrics - on_panels == EXCEPTIONS.keys()
    assert on_panels - metrics == set()
    assert all(reason.endswith(".") for reason in EXCEPTIONS.values())


def test_every_panel_says_what_it_shows_and_names_its_unit() -> None:
    for text in files().values():
        board = json.loads(text)
        for panel in board["panels"]:
            if panel["type"] != "row":
                assert panel["description"].endswith("."), panel["title"]
                assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
                assert all(target["legendFormat"] or panel["type"] == "stat" for target in panel["targets"])


def test_the_files_are_as_the_source_says() -> None:
    assert {path.name: path.read_text() for path in (DEPLOY / "dashboards").glob("*.json")} == files()


def test_ids_and_titles_differ() -> None:
    boards = [board() for board in BOARDS]
    assert len({board.uid for board in boards}) == len({board.title for board in boards}) == len(BOARDS)


def test_the_cluster_gets_the_same_dashboards() -> None:
    listed = re.findall(r"dashboards/(\w+\.json)", (DEPLOY / "kustomization.yaml").read_text())
    assert set(listed) == set(files()) == {path.name for path in (DEPLOY / "dashboards").glob("*.json")}
