"""A Kubernetes cluster of the programs in the cache, in a network of its own, and a client outside of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prepare import images, machine
from prepare.go_programs import BIN
from waiting import await_true

from node import cgroups, control_plane, layout, storage
from node.access import Access
from node.namespaces import Namespaces
from node.worker import Worker

PARENT = Path("/var/tmp")
PREFIX = "ordermesh-kubernetes-"
# Of what takes seconds on a quiet machine.
PATIENCE_SECONDS = 300.0


class Cluster:
    """The network of a cluster, its nodes and its control plane. All ends with the process that started it."""

    def __init__(self) -> None:
        machine.require()
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=PARENT))
        self._access = Access.make(self.folder / "access")
        self.outside = Namespaces(self.folder, whole=False)
        self.nodes: list[Worker] = []

    def start(self, nodes: int) -> None:
        """Start the control plane on the first of so many nodes, and wait until all are ready."""
        self._make_lan()
        first = self.add_node()
        control_plane.start_api(first.namespaces, first.folder, self._access)
        await_true(self._answers, "the API server answers", PATIENCE_SECONDS)
        self._allow_more()
        control_plane.start_controllers(first.namespaces, first.folder, self._access)
        self.start_node(first)
        for _ in range(1, nodes):
            self.start_node(self.add_node())

    def _make_lan(self) -> None:
        self.outside.run("ip", "link", "set", "lo", "up")
        self.outside.run("ip", "link", "add", "lan", "type", "bridge")
        self.outside.run("ip", "address", "add", f"{layout.OUTSIDE_ADDRESS}/24", "dev", "lan")
        self.outside.run("ip", "link", "set", "lan", "up")

    def _answers(self) -> bool:
        try:
            return self.kubectl("get", "--raw=/readyz") == "ok"
        except RuntimeError:
            return False

    def _allow_more(self) -> None:
        """Give the API server its rights on kubelets, and DNS and kube-router those to see what they act on."""
        seen = ["pods", "services", "nodes", "namespaces", "endpoints"]
        seen += ["endpointslices.discovery.k8s.io", "networkpolicies.networking.k8s.io"]
        words = ("--verb=get,list,watch", f"--resource={','.join(seen)}")
        self.kubectl("create", "clusterrole", "kube-router", *words)
        for user, role in (
            ("api-to-kubelet", "system:kubelet-api-admin"),
            ("system:coredns", "view"),
            ("system:kube-router", "kube-router"),
        ):
            self.kubectl("create", "clusterrolebinding", user.split(":")[-1], f"--user={user}", f"--clusterrole={role}")

    def add_node(self) -> Worker:
        """Make the next node, which is on the network but runs nothing."""
        node = Worker(len(self.nodes) + 1, self.folder, self._access)
        node.join(self.outside)
        self.nodes.append(node)
        return node

    def start_node(self, node: Worker) -> None:
        """Start a node with the images of the cache, and wait until it is ready."""
        node.start_containerd()
        await_true((node.folder / "containerd.sock").exists, "containerd listens", PATIENCE_SECONDS)
        for archive in images.ARCHIVES:
            node.load(archive)
        node.start_kubelet()
        await_true(lambda: self.is_ready(node.name), f"{node.name} is ready", PATIENCE_SECONDS)
        node.start_proxy()
        node.start_policy_controller()
        self.kubectl("apply", "-f", "-", given=storage.objects(node.name, node.folder))

    def lose(self, number: int) -> None:
        """End a node as a power cut does."""
        self.nodes[number - 1].end()

    def replace(self, number: int) -> None:
        """Start a node of the same name in the place of one that was lost, with empty disks."""
        lost = self.nodes[number - 1]
        shutil.rmtree(lost.folder)
        self.nodes[number - 1] = node = Worker(number, self.folder, self._access)
        node.join(self.outside)
        self.start_node(node)

    def is_ready(self, node: str) -> bool:
        """Return whether a node says that it can run pods."""
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "node", node, "--ignore-not-found", "-o", f"jsonpath={path}") == "True"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client: programs and the administrator's kubeconfig."""
        path = os.pathsep.join((str(BIN), os.environ["PATH"]))
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self._access.kubeconfig("admin"))}

    def run(self, *argv: str, given: str | None = None) -> str:
        """Run a program as the administrator from outside, and return its output.

        Raises RuntimeError with its complaints when it fails.
        """
        return self.outside.run(*argv, env=self.environment, given=given)

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl as `run` does."""
        return self.run("kubectl", *words, given=given)

    def get(self, *words: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def cgroup(self, controller: str, pod: dict[str, Any]) -> Path:
        """Return the cgroup of all processes of a pod in the hierarchy of a controller."""
        (found,) = (machine.CGROUPS / controller).glob(
            f"{self.folder.name}-{pod['spec']['nodeName']}/**/pod{pod['metadata']['uid']}"
        )
        return found

    def run_in_network_of(self, pod: dict[str, Any], *argv: str) -> str:
        """Run a program of this machine in the network of a pod, and return its output."""
        processes = [line for file in self.cgroup("pids", pod).rglob("cgroup.procs") for line in file.open()]
        command = ["nsenter", f"--target={int(processes[0])}", "--net", "--", *argv]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def logs(self) -> str:
        """Return the last lines of what each program wrote."""
        files = sorted(self.folder.rglob("node-?/*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-1500:]}" for file in files)

    def end(self) -> None:
        """Kill everything and leave nothing on the machine."""
        for node in self.nodes:
            node.end()
        self.outside.end()
        shutil.rmtree(self.folder)


def remove_leftovers() -> None:
    """Remove folders and cgroups of clusters whose process was killed before it could."""
    for left in [*PARENT.glob(f"{PREFIX}*"), *machine.CGROUPS.glob(f"*/{PREFIX}*")]:
        if Path("/proc", left.name.split("-")[2]).exists():
            continue
        cgroups.remove(left.name)
        shutil.rmtree(PARENT / left.name, ignore_errors=True)


@contextlib.contextmanager
def started(nodes: int) -> Iterator[Cluster]:
    """Run a cluster with so many nodes for the body, and say what its programs wrote when that fails."""
    cluster = Cluster()
    try:
        cluster.start(nodes)
        yield cluster
    except Exception:
        print(cluster.logs(), file=sys.stderr)
        raise
    finally:
        cluster.end()
