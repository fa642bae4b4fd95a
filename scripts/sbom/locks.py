"""Reads the lock files: the packages of PyPI, the jars and the container images."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
# Of stack/downloads: what `make setup` downloads, and what `ordermesh up --observe` does.
JAR_SETS = ("kafka", "swagger-ui", "zipkin", "jmx-exporter", "opensearch")
REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)", re.MULTILINE)
HASH = re.compile(r"--hash=(sha256):([0-9a-f]{64})")
VIA = re.compile(r"^    #(?: via|  ) +(\S+)", re.MULTILINE)
IMAGE = re.compile(r"^(?P<name>[^:@]+):(?P<tag>[^@]+)(?:@sha256:(?P<sha256>[0-9a-f]{64}))?$")


@dataclass(frozen=True)
class Package:
    """A locked package: its name, version, the sha256 of each of its files, and which packages require it."""

    name: str
    version: str
    sha256: tuple[str, ...]
    required_by: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Bundled:
    """A program or library inside a package."""

    name: str
    version: str
    inside: str
    license: str
    cpe: str


def normalized(name: str) -> str:
    """Return the name of a package as lock files have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(lock: Path) -> list[Package]:
    """Read a lock file of pip: one package per version."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)
    return [package(entry) for entry in entries if REQUIREMENT.match(entry)]


def package(entry: str) -> Package:
    """Read one entry of a lock file of pip."""
    found = REQUIREMENT.match(entry)
    if found is None:
        raise ValueError(f"not an entry of a lock file: {entry.splitlines()[0]}")
    via = tuple(sorted(normalized(name) for name in VIA.findall(entry)))
    return Package(normalized(found["name"]), found["version"], tuple(h for _, h in HASH.findall(entry)), via)


def jars(name: str) -> list[tuple[str, str, str, str]]:
    """Return group, artifact, version and sha256 of each jar of a set (of JAR_SETS)."""
    lines = (ROOT / f"stack/downloads/{name}.lock").read_text().split()
    # A packaging may be after the version, and a classifier between it and the digest.
    parts = [line.split(":") for line in lines]
    return [(group, artifact, version.partition("@")[0], rest[-1]) for group, artifact, version, *rest in parts]


def images() -> list[tuple[str, str, str | None]]:
    """Return name, tag and sha256 (None when it is not pinned) of each image that the containers start from.

    Not of those that the file builds, which are named `ordermesh-…`.
    """
    texts = re.findall(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    texts += re.findall(
        r"^    image: (?!ordermesh-)([^\s$]+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE
    )
    found = [IMAGE.match(text) for text in dict.fromkeys(texts)]
    return [(image["name"], image["tag"], image["sha256"]) for image in found if image]


def bundled() -> list[Bundled]:
    """Return the programs and libraries inside packages."""
    return [Bundled(**entry) for entry in tomllib.loads((HERE / "bundled.toml").read_text())["bundled"]]


def licenses() -> dict[str, dict[str, str]]:
    """Return the SPDX expressions of the packages by ecosystem (`pypi`, `maven`) and name."""
    return tomllib.loads((HERE / "licenses.toml").read_text())
