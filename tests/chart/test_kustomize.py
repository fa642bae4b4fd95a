"""The overlay of deploy/kustomize over what the chart renders."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_rendering import ROOT, objects, rendered, tool

OVERLAY = ROOT / "deploy" / "kustomize"


def built(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that Kustomize makes of the overlay and a rendering."""
    shutil.copytree(OVERLAY, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("rendered.yaml"))
    (folder / "rendered.yaml").write_text(rendered("external"))
    done = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.more
def test_the_overlay_changes_the_orders_pods_and_nothing_else(tmp_path: Path) -> None:
    made = {(one["kind"], one["metadata"]["name"]): one for one in built(tmp_path)}
    assert ("Namespace", "shop") in made
    for one in objects("external"):
        found = made[one["kind"], one["metadata"]["name"]]
        assert found["metadata"]["namespace"] == "shop"
        orders = (one["kind"], one["metadata"]["name"]) == ("Deployment", "om-ordermesh-orders")
        if orders:
            assert found["spec"]["template"]["spec"].pop("runtimeClassName") == "shop"
        assert found.get("spec") == one.get("spec")
