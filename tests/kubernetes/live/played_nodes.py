"""Nodes that KWOK plays: the scheduler and the controllers see them, and no process runs on them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node.cluster import Cluster
from prepare.go_programs import BIN
from waiting import await_true

# KWOK plays nodes with this label. Of one that loses it, nothing is heard any more, as after a power cut.
LABEL = "ordermesh.test/alive"
TAINT = {"key": "ordermesh.test/played", "value": "yes", "effect": "NoSchedule"}
# A controller puts this on a node that was closed.
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
# A node is lost after 20 s in which nothing is heard of it (node/control_plane.py).
PATIENCE_SECONDS = 180.0
# KWOK is heard each quarter of it: often enough on a busy machine.
LEASE = "--node-lease-duration-seconds=8"


def node(name: str, zone: str) -> dict[str, Any]:
    """Return a node that takes only pods that tolerate played ones."""
    labels = {LABEL: "yes", "ordermesh.test/kind": "played", ZONE: zone, HOSTNAME: name}
    room = {"cpu": "8", "memory": "32Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [TAINT]},
        "status": {"capacity": room, "allocatable": room},
    }


class PlayedNodes:
    """Nodes by zone, in a cluster of real ones."""

    def __init__(self, cluster: Cluster, zones: Mapping[str, Sequence[str]], folder: Path) -> None:
        self.zones = zones
        self.names = [name for names in zones.values() for name in names]
        self._cluster = cluster
        with (folder / "kwok.log").open("w") as log:
            kubeconfig = f"--kubeconfig={cluster.environment['KUBECONFIG']}"
            command = [BIN / "kwok", kubeconfig, f"--manage-nodes-with-label-selector={LABEL}", LEASE]
            self._kwok = subprocess.Popen(command, stdout=log, stderr=log)
        nodes = [node(name, zone) for zone, names in zones.items() for name in names]
        cluster.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
        self._wait(self.names, ready=True)

    def zone_of(self, name: str) -> str:
        """Return the zone of a node."""
        return next(zone for zone, names in self.zones.items() if name in names)

    def lose(self, *names: str) -> None:
        """Let nothing be heard of nodes, and wait until the cluster knows."""
        self._cluster.kubectl("label", "node", *names, f"{LABEL}-")
        self._wait(names, ready=False)

    def find(self, *names: str) -> None:
        """Let lost nodes be heard again, and wait until the cluster knows."""
        self._cluster.kubectl("label", "node", *names, f"{LABEL}=yes")
        self._wait(names, ready=True)

    def cordon(self) -> None:
        """Close all nodes for new pods, and wait until the cluster's controllers have seen it."""
        self._cluster.kubectl("cordon", *self.names)
        await_true(lambda: self._closed() == set(self.names), "all nodes are closed")

    def uncordon(self) -> None:
        """Open all nodes, and wait until the cluster's controllers have seen it."""
        self._cluster.kubectl("uncordon", *self.names)
        await_true(lambda: not self._closed(), "all nodes are open")

    def _closed(self) -> set[str]:
        closed = set()
        for one in self._cluster.get("nodes")["items"]:
            if any(taint["key"] == UNSCHEDULABLE for taint in one["spec"].get("taints", ())):
                closed.add(one["metadata"]["name"])
        return closed

    def _wait(self, names: Sequence[str], *, ready: bool) -> None:
        for name in names:
            what = f"{name} is {'' if ready else 'not '}ready"
            await_true(lambda name=name: self._cluster.is_ready(name) is ready, what, PATIENCE_SECONDS)  # type: ignore[misc]

    def end(self) -> None:
        """Remove the nodes."""
        self._cluster.kubectl("delete", "node", *self.names)
        self._kwok.kill()
        self._kwok.wait()
