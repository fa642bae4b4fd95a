"""A real Prometheus that scrapes a running stack."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from debian import program
from waiting import await_true

from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.running_stack import RunningStack

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules"
SERVICES = ("orders", "publisher", "processor", "analytics", "gateway")
SCRAPE_SECONDS = 1


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus and how it is asked."""

    url: str

    def ask(self, path: str, **parameters: object) -> Any:
        """Return the data that the HTTP API answers."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=20) as reply:
            return json.load(reply)["data"]

    def values(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def over_time(self, expression: str, seconds: float) -> list[dict[str, Any]]:
        """Return the series of an expression over the last seconds, with a value for each scrape."""
        now = float(self.ask("query", query="time()")["result"][0])
        data = self.ask("query_range", query=expression, start=now - seconds, end=now, step=SCRAPE_SECONDS)
        found: list[dict[str, Any]] = data["result"]
        return found


@contextlib.contextmanager
def prometheus(stack: RunningStack, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus on a stack, with the rules that ship, until every target is up."""
    (port,) = ports.allocate(1)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(stack)))
    binary = program("prometheus", "usr/bin/prometheus")
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    address = f"--web.listen-address={LOOPBACK}:{port}"
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [binary.path, *options, address], env=os.environ | binary.env, stdout=log, stderr=log
        )
    made = Prometheus(f"http://{LOOPBACK}:{port}")

    def scraping() -> bool:
        with contextlib.suppress(OSError):
            return [one["value"][1] for one in made.values("up")] == ["1"] * (len(SERVICES) + 1)
        return False

    try:
        await_true(scraping, "Prometheus scrapes every service")
        yield made
    finally:
        process.terminate()
        process.wait(20)


def configuration(stack: RunningStack) -> dict[str, Any]:
    """Return the configuration that scrapes each service of a stack and its front proxy."""
    targets = {name: stack.component(name).address for name in SERVICES}
    targets["envoy"] = stack.addresses["envoy_stats"]
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "rule_files": [f"{RULES}/*.yaml"],
        "scrape_configs": [
            {
                "job_name": name,
                "metrics_path": "/stats/prometheus" if name == "envoy" else "/metrics",
                "static_configs": [{"targets": [urllib.parse.urlsplit(address).netloc or address]}],
            }
            for name, address in targets.items()
        ],
    }
