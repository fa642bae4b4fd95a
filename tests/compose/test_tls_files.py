"""The files that lay TLS over the compose file: certificates, who reads which, and Envoy's configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from frontdoor import check
from frontdoor.policies.identity import CONTAINER_KEYS

from stack.certificates.certificate_folder import CertificateFolder

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "deploy/compose/tls.yml").read_text())["services"]
INSIDE = "/certificates/"
HOSTS = "${ORDERMESH_FRONT_HOSTS:-}"


def make(folder: Path, *arguments: str) -> None:
    """Run what the container `certificates` runs, in another folder."""
    script = (ROOT / "deploy/compose/certificates.sh").read_text().replace(INSIDE, f"{folder}/")
    script = script.replace("python -m cli", f"{sys.executable} -P -m cli")
    subprocess.run(["sh", "-s", *arguments], input=script, text=True, check=True)


def test_each_container_reads_certificates_that_are_made_and_no_other_key(tmp_path: Path) -> None:
    folders = {}
    for volume in SERVICES["certificates"]["volumes"][1:]:
        name, inside = volume.split(":")
        folders[name] = tmp_path / Path(inside).name
        folders[name].mkdir()
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*")}
    make(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("*/*")} == before
    make(tmp_path, "renew")
    assert (tmp_path / "orders/orders.pem").read_bytes() != before[tmp_path / "orders/orders.pem"]
    keys = {"envoy": {"front.key", "envoy.key"}, "orders": {"orders.key"}}
    keys |= {"analytics": {"analytics.key"}, "gateway": {"gateway.key"}, "load": {"gateway.key"}}
    for name, wanted in keys.items():
        (volume,) = (each.split(":")[0] for each in SERVICES[name]["volumes"])
        assert {path.name for path in folders[volume].glob("*.key")} == wanted
        for value in SERVICES[name].get("environment", {}).values():
            assert (folders[volume] / value.removeprefix(INSIDE)).exists(), value


def test_envoy_accepts_its_configuration(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path)
    for name in ("front", "envoy"):
        folder.create(name, [])
    words = (word.replace(INSIDE, f"{tmp_path}/").replace("/config/", f"{tmp_path}/") for word in command())
    subprocess.run([sys.executable, "-P", "-m", *(word.replace(HOSTS, "") for word in words)], check=True)
    keys = Path(CONTAINER_KEYS)
    (tmp_path / keys.name).touch()
    check.validate((tmp_path / "envoy.yaml").read_text().replace(str(keys.parent), str(tmp_path)))


def command() -> list[str]:
    found: list[str] = SERVICES["envoy-config"]["command"]
    return found


def test_a_certificate_without_its_key_is_refused_by_the_option(tmp_path: Path) -> None:
    options = ["--target", "compose", "--out", str(tmp_path / "envoy.yaml"), "--certificate", "front.pem"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "frontdoor", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "a certificate requires its key" in done.stderr
