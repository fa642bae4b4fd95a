"""The platform on the test cluster, as its Helm chart or the example of an overlay installs it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from node import layout
from node.cluster import Cluster
from waiting import await_true

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "ordermesh"
OVERLAY = ROOT / "deploy" / "kustomize"
SERVICES = ("orders", "publisher", "processor", "analytics", "gateway", "envoy")
PATIENCE = "--timeout=600s"
NAME = "om"
# The namespace whose pods may read metrics.
MONITORING = "monitoring"
GOING_SECONDS = 90.0
# Each look costs a kubectl, whose processor time the services would lack.
PAUSE_SECONDS = 2.0


def values(node_port: int, replicas: int) -> str:
    """Return values over those for development, as JSON."""
    front = {"hosts": [layout.address(1)], "service": {"type": "NodePort", "nodePort": node_port}}
    # Their volumes are folders of a node: on the first, so that the second may go.
    first = {"nodeSelector": {"kubernetes.io/hostname": layout.name(1)}}
    # A node of two cores takes all of them while the other is drained.
    service = {"replicas": replicas, "resources": {"requests": {"cpu": "20m"}}}
    services = dict.fromkeys(SERVICES, service)
    policies = {
        "enabled": True,
        # Names are answered beside the control plane, not by pods.
        "dns": [{"ipBlock": {"cidr": f"{layout.address(1)}/32"}}],
        "prometheus": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": MONITORING}}}],
    }
    return json.dumps({"front": front, "postgresql": first, "kafka": first, "networkPolicy": policies, **services})


class Platform:
    """The platform in a namespace, with a front port on each node."""

    def __init__(self, cluster: Cluster, namespace: str, node_port: int) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.node_port = node_port
        self.url = f"http://{layout.address(1)}:{node_port}"

    def install_with_helm(self, replicas: int, *words: str) -> None:
        """Install the chart, and wait until all is ready. Pods must be as Pod Security `restricted` wants them."""
        self.make_namespace()
        self._helm_with_values("install", replicas, PATIENCE, "--wait", *words)

    def make_namespace(self) -> None:
        """Make the namespace unless it is there."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        self.cluster.kubectl("apply", "-f", "-", given=json.dumps(wanted))

    def install_with_kustomize(self, replicas: int, folder: Path) -> None:
        """Apply the overlay over what the chart renders, in a folder, and wait until all is ready."""
        shutil.copytree(OVERLAY, folder, dirs_exist_ok=True)
        (folder / "rendered.yaml").write_text(self._helm_with_values("template", replicas, "--no-hooks"))
        self.cluster.kubectl("apply", "-k", str(folder))
        self.wait_for_all()

    def _helm_with_values(self, command: str, replicas: int, *words: str) -> str:
        files = [f"--values={CHART / 'values-dev.yaml'}", "--values=-"]
        return self.helm(command, NAME, str(CHART), *files, *words, given=values(self.node_port, replicas))

    def helm(self, *words: str, given: str | None = None) -> str:
        """Run helm in the namespace. Raises RuntimeError with its complaints when it fails."""
        return self.cluster.run("helm", "--namespace", self.namespace, *words, given=given)

    def rendered(self, template: str, *words: str) -> list[dict[str, Any]]:
        """Return the objects of one template of the chart for this release, with further words for helm."""
        files = [f"--values={CHART / 'values-dev.yaml'}", f"--show-only=templates/{template}"]
        return [one for one in yaml.safe_load_all(self.helm("template", NAME, str(CHART), *files, *words)) if one]

    def upgrade(self, *words: str) -> None:
        """Upgrade the release with further words, and wait until all is ready."""
        self.helm("upgrade", NAME, str(CHART), "--reuse-values", "--wait", PATIENCE, *words)
        self.wait_for_all()

    def roll_back(self) -> None:
        """Return to the revision before, and wait until all is ready."""
        self.helm("rollback", NAME, "--wait", PATIENCE)
        self.wait_for_all()

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *words, given=given)

    def deployment(self, service: str) -> str:
        """Return the name of a service's Deployment."""
        return self.kubectl("get", "deployment", "-l", f"app.kubernetes.io/component={service}", "-o", "name").strip()

    def pods(self, service: str) -> list[dict[str, Any]]:
        """Return the pods of a service, without those that are going."""
        labels = f"app.kubernetes.io/component={service}"
        found = self.cluster.get("pods", "--namespace", self.namespace, "-l", labels)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def versions(self) -> set[str]:
        """Return the versions of our image that pods run."""
        images = [pod["spec"]["containers"][0]["image"] for service in SERVICES[:-1] for pod in self.pods(service)]
        return {image.partition(":")[2] for image in images}

    def ask(self, database: str, query: str) -> str:
        """Return what a query of the database server in the release finds, as its superuser."""
        psql = f'PGPASSWORD=$(cat /secrets/postgres) psql -At -h 127.0.0.1 -U postgres -d {database} -c "{query}"'
        return self.kubectl("exec", f"{NAME}-ordermesh-postgresql-0", "--", "sh", "-c", psql).strip()

    def migrated(self, name: str) -> dict[str, bool]:
        """Return whether each database has a migration and its column."""
        tables = {"orders": "orders", "analytics": "sales_metrics"}
        applied = f"SELECT count(*) FROM schema_migration WHERE name = '{name}'"
        there = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'next_release' AND table_name = "
        return {
            database: self.ask(database, f"SELECT ({applied}) + ({there} '{table}')") == "2"
            for database, table in tables.items()
        }

    def restart(self, service: str) -> None:
        """Restart a Deployment and wait until the new pods have taken over."""
        self.kubectl("rollout", "restart", self.deployment(service))
        self.wait_for_all()

    def evict(self, pod: str) -> None:
        """Ask for the eviction of a pod, as a drain does."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        self.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))

    def wait_for_all(self) -> None:
        """Wait until each Deployment has all its pods in their last version, and those that go are gone."""
        for service in SERVICES:
            self.kubectl("rollout", "status", self.deployment(service), PATIENCE)
        await_true(
            lambda: not self._going(), lambda: f"these pods are gone: {self._going()}", GOING_SECONDS, PAUSE_SECONDS
        )

    def _going(self) -> list[str]:
        pods = self.cluster.get("pods", "--namespace", self.namespace)["items"]
        return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]

    def key(self) -> str:
        """Return the operator's key."""
        for secret in self.cluster.get("secrets", "--namespace", self.namespace)["items"]:
            if "keys.json" in secret.get("data", {}):
                return base64.b64decode(secret["data"]["operator"]).decode()
        raise RuntimeError("no Secret of the release has the operator's key")
