"""Scans the sources: bandit, semgrep with our own rules (scripts/scan/rules), hadolint, trivy where it is there, and
checkov and kube-score on what the Helm chart renders.

usage: make_scan.py [chart]    chart: only checkov and kube-score
A finding fails the scan unless scripts/scan/accepted.toml has it with a reason; so does an entry that nothing finds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "scripts" / "scan"
RULES = HERE / "rules"
TOOLS = Path(sys.prefix) / "scan"
# Its requirements exclude those of the others.
CHECKOV = Path(sys.prefix) / "checkov"
SOURCES = ("runtime", "gateway", "orders", "processor", "loadgen", "stack", "cli", "envoy/frontdoor")
DEPLOYED = ("docker-compose.yml", "deploy")
CHART = "deploy/helm/ordermesh"
PRESETS = ("values-dev.yaml", "values-prod.yaml")
# Templates, which are no YAML: what they render is checked.
OTHERS = ("--exclude", CHART)
BUILT = Path(os.environ.get("ORDERMESH_KUBERNETES") or Path.home() / ".cache/ordermesh/kubernetes") / "bin"
CONTAINER_FILES = ("Dockerfile", *map(str, sorted((ROOT / "tests/compose/standins").glob("*/Containerfile"))))
QUIET = {"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0"}
# Ruff checks the same in `make lint`, with a reason on each line that is excepted: flake8-bandit's S rules.
SKIPPED = "B101,B311,B404,B603,B606,B607"

# Of kube-score; below is a finding.
PERFECT = 10
CHART_TOOLS = ("checkov", "kube-score")

# A rule and a path.
Finding = tuple[str, str]


def main(words: Sequence[str]) -> int:
    """Run the scan; return 1 when it finds what is not accepted."""
    if words not in ([], ["chart"]):
        sys.exit(f"usage: make_scan.py [chart], not {' '.join(words)}")
    entries = accepted(tomllib.loads((HERE / "accepted.toml").read_text()))
    install(CHECKOV, "checkov.lock")
    found = Counter([*checkov(), *kube_score()])
    if words:
        entries = Counter({one: times for one, times in entries.items() if tool(one) in CHART_TOOLS})
    else:
        install(TOOLS, "requirements.lock")
        run("semgrep", "--test", "--metrics", "off", "--config", str(RULES), str(RULES))
        found += Counter([*bandit(), *semgrep(), *hadolint(), *trivy()])
    problems = differences(found, entries)
    print("\n".join(problems) or f"{found.total()} findings, all of them accepted with a reason")
    return 1 if problems else 0


def tool(finding: Finding) -> str:
    """Return the tool of a finding."""
    return finding[0].partition(".")[0]


def install(folder: Path, name: str) -> None:
    """Make an environment of tools, which have requirements of their own, where it is missing."""
    lock, done = HERE / name, folder / name
    if not done.exists() or done.read_text() != lock.read_text():
        venv.create(folder, with_pip=True, clear=True)
        quietly = ("--quiet", "--disable-pip-version-check", "--require-hashes")
        run("pip", "install", *quietly, "-r", str(lock), folder=folder)
        shutil.copy(lock, done)


def run(program: str, *arguments: str, codes: Sequence[int] = (0,), folder: Path = TOOLS) -> str:
    """Run one of the tools in the repository and return what it prints; exit when it fails."""
    done = subprocess.run(  # noqa: S603 - a tool of the lock file with arguments of ours
        [folder / "bin" / program, *arguments], cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True
    )
    if done.returncode not in codes:
        sys.exit(f"{program} failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def bandit() -> Iterator[Finding]:
    """Yield what bandit finds in the sources."""
    for result in json.loads(run("bandit", "-q", "-r", "-f", "json", "-s", SKIPPED, *SOURCES, codes=(0, 1)))["results"]:
        yield f"bandit.{result['test_id']}", result["filename"]


def semgrep() -> Iterator[Finding]:
    """Yield what our own rules find in the sources and in what is deployed."""
    text = run("semgrep", "scan", "--json", "--metrics", "off", "--config", str(RULES), *OTHERS, *SOURCES, *DEPLOYED)
    report = json.loads(text)
    if report["errors"]:
        sys.exit(f"semgrep could not read all: {report['errors'][0]['message']}")
    for result in report["results"]:
        yield f"semgrep.{result['check_id'].rpartition('.')[2]}", result["path"]


def hadolint() -> Iterator[Finding]:
    """Yield what hadolint finds in the Dockerfile and in those of the tests."""
    for result in json.loads(run("hadolint", "-f", "json", *CONTAINER_FILES, codes=(0, 1))):
        yield f"hadolint.{result['code']}", os.path.relpath(ROOT / result["file"], ROOT)


def built(program: str) -> str:
    """Return the path of a program that scripts/install-tools builds. Exits when it is missing."""
    path = BUILT / program
    if not path.exists():
        sys.exit(f"{program} is missing: scripts/install-tools {program}")
    return str(path)


def rendered(preset: str) -> bytes:
    """Return what the chart renders with a preset and network policies."""
    options = ["--kube-version=1.37.0", "--no-hooks", "--set=networkPolicy.enabled=true", f"--values={CHART}/{preset}"]
    command = [built("helm"), "template", "om", CHART, *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603 - our arguments


def checkov() -> Iterator[Finding]:
    """Yield what checkov finds in what the chart renders, each rule once."""
    with tempfile.TemporaryDirectory() as folder:
        for preset in PRESETS:
            (Path(folder) / preset).write_bytes(rendered(preset))
        options = ("--framework", "kubernetes", "--output", "json", "--quiet", "--compact", "--skip-download")
        text = run("checkov", *options, "--directory", folder, codes=(0, 1), folder=CHECKOV)
    failed = json.loads(text)["results"]["failed_checks"]
    yield from {(f"checkov.{one['check_id']}", CHART) for one in failed}


def kube_score() -> Iterator[Finding]:
    """Yield what kube-score finds in what the chart renders, each rule once."""
    found: set[Finding] = set()
    command = [built("kube-score"), "score", "-", "--output-format", "json", "--kubernetes-version", "v1.37"]
    for preset in PRESETS:
        done = subprocess.run(command, input=rendered(preset), check=False, capture_output=True)  # noqa: S603 - our arguments
        checks = [check for one in json.loads(done.stdout) for check in one["checks"] or () if not check["skipped"]]
        found |= {(f"kube-score.{check['check']['id']}", CHART) for check in checks if check["grade"] < PERFECT}
    yield from found


def trivy() -> Iterator[Finding]:
    """Yield what trivy finds in the Dockerfile, with the checks that it contains; say so when it is not installed."""
    program = shutil.which("trivy")
    if program is None:
        print("trivy config did not run: trivy is not installed")
        return
    command = [program, "config", "--quiet", "--skip-check-update", "--format", "json", "Dockerfile"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our arguments
    for result in json.loads(done.stdout).get("Results", []):
        for one in result.get("Misconfigurations", []):
            yield f"trivy.{one['ID']}", result["Target"]


def accepted(table: dict[str, Any]) -> Counter[Finding]:
    """Return how often each finding is accepted. Exits when one has no reason."""
    for entry in table.get("accepted", []):
        if not entry.get("reason"):
            sys.exit(f"accepted.toml: {entry['rule']} in {entry['path']} has no reason")
    return Counter({(entry["rule"], entry["path"]): entry.get("times", 1) for entry in table.get("accepted", [])})


def differences(found: Counter[Finding], accepted: Counter[Finding]) -> list[str]:
    """Return what was found and is not accepted, and what is accepted and was not found."""
    more = [f"{path}: {rule}, {times} more than accepted" for (rule, path), times in sorted((found - accepted).items())]
    stale = [
        f"{path}: {rule} is accepted and was not found, {times} times"
        for (rule, path), times in sorted((accepted - found).items())
        if not rule.startswith("trivy.") or shutil.which("trivy")
    ]
    return more + stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
