"""The databases of a release as clusters of CloudNativePG, whose operator is installed with its release's manifest."""

from __future__ import annotations

import json

from node.cluster import Cluster
from prepare.go_programs import PROGRAMS, source
from release import PATIENCE, Platform
from waiting import await_true

PROGRAM = PROGRAMS["cloudnative-pg"]
IMAGE = "ghcr.io/cloudnative-pg/postgresql:17"
DATABASES = ("orders", "analytics")
INSTANCES = 2
# Two instances, one on each node, are the least that survives the loss of one.
VALUES = {
    "enabled": True,
    "instances": INSTANCES,
    "imageName": IMAGE,
    "storage": {"size": "1Gi"},
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
}
# For Helm, over the values for development.
WORDS = ("--set=postgresql.enabled=false", f"--set-json=cnpg={json.dumps(VALUES)}")
# Of an operator that has as little time as its manifest gives it, on a busy machine.
SECONDS = 300.0


def manifest() -> str:
    """Return what its users apply, but for the image, which is on the nodes and cannot be pulled."""
    file = source(PROGRAM) / "releases" / f"cnpg-{PROGRAM['version'].removeprefix('v')}.yaml"
    return file.read_text().replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")


def install_operator(cluster: Cluster) -> None:
    """Install CloudNativePG, and wait until it serves."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=manifest())
    cluster.kubectl("-n", "cnpg-system", "rollout", "status", "deployment/cnpg-controller-manager", PATIENCE)


def remove_operator(cluster: Cluster) -> None:
    """Remove it with its kinds of objects."""
    cluster.kubectl("delete", "-f", "-", given=manifest())


class Database:
    """One of the two databases of a release, as a cluster of the operator."""

    def __init__(self, shop: Platform, name: str) -> None:
        self._shop = shop
        self.name = name
        self.cluster = f"om-ordermesh-{name}-db"

    def primary(self) -> str:
        """Return the pod that takes writes."""
        return self._shop.kubectl("get", "cluster", self.cluster, "-o", "jsonpath={.status.currentPrimary}")

    def is_whole(self) -> bool:
        """Return whether all instances are ready, and the operator has nothing left to do."""
        words = ("get", "cluster", self.cluster, "-o", "jsonpath={.status.readyInstances} {.status.phase}")
        return self._shop.kubectl(*words) == f"{INSTANCES} Cluster in healthy state"

    def nodes(self) -> set[str]:
        """Return where the instances are."""
        return set(self._of_pods("instance", "spec.nodeName"))

    def poolers(self) -> list[str]:
        """Return the addresses of the poolers."""
        return self._of_pods("pooler", "status.podIP")

    def _of_pods(self, role: str, field: str) -> list[str]:
        labels = f"cnpg.io/cluster={self.cluster},cnpg.io/podRole={role}"
        return self._shop.kubectl("get", "pods", "-l", labels, "-o", f"jsonpath={{.items[*].{field}}}").split()

    def ask(self, sql: str) -> str:
        """Return what a query answers on the primary."""
        words = ("psql", "-d", self.name, "-Atc", sql)
        return self._shop.kubectl("exec", self.primary(), "-c", "postgres", "--", *words).strip()

    def lose_primary(self) -> None:
        """Delete the primary's pod at once, and wait until another instance is the primary."""
        lost = self.primary()
        self._shop.kubectl("delete", "pod", lost, "--grace-period=0", "--force")
        await_true(lambda: self.primary() != lost, f"{self.cluster} has another primary than {lost}", SECONDS)

    def wait_until_whole(self) -> None:
        """Wait until all instances are ready."""
        await_true(self.is_whole, f"{self.cluster} has {INSTANCES} instances", SECONDS)
