"""How many pods Deployments want over time, as the API server tells of each change."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from release import Platform

ROW = '{.metadata.labels.app\\.kubernetes\\.io/component} {.spec.replicas} {.status.availableReplicas}{"\\n"}'


class Replicas:
    """A running watch on the Deployments of a platform; use it as a context."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._rows = folder / "replicas.log"
        words = ["get", "deployments", "--watch", "-o", f"jsonpath={ROW}"]
        with self._rows.open("w") as rows:
            self._watch = subprocess.Popen(
                ["kubectl", "--namespace", platform.namespace, *words], stdout=rows, env=platform.cluster.environment
            )

    def __enter__(self) -> Replicas:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.kill()
        self._watch.wait()

    def wanted(self, service: str) -> list[int]:
        """Return the numbers of pods that a service's Deployment wanted, one after the other."""
        return [number for number, _ in itertools.groupby(int(row[1]) for row in self._of(service))]

    def available(self, service: str) -> list[int]:
        """Return how many pods of a service were available, at each change."""
        return [int(row[2]) if len(row) > 2 else 0 for row in self._of(service)]

    def _of(self, service: str) -> list[list[str]]:
        rows = [line.split() for line in self._rows.read_text().splitlines()]
        return [row for row in rows if len(row) > 1 and row[0] == service]


def turns(numbers: list[int]) -> int:
    """Return how often numbers change their direction: rising and falling once is one turn, flapping is more."""
    rising = [second > first for first, second in itertools.pairwise(numbers)]
    return sum(first != second for first, second in itertools.pairwise(rising))
