"""A node of the cluster, in namespaces of its own: containerd, kubelet, and what serves the network of its pods."""

from __future__ import annotations

from pathlib import Path
from string import Template

from prepare import debian_programs
from prepare.go_programs import BIN

from node import cgroups, layout
from node.access import Access
from node.namespaces import Namespaces

FILES = Path(__file__).parent / "files"
PAUSE = "registry.k8s.io/pause:3.10"
# The kubelet writes these. It is shown files that have the values already, so that the machine keeps its own.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


class Worker:
    """A node with its own folder and corner of the machine's cgroups. It runs no pod before `start_kubelet`."""

    def __init__(self, number: int, folder: Path, access: Access) -> None:
        self.number = number
        self.name = layout.name(number)
        self.address = layout.address(number)
        self.folder = folder / self.name
        self.folder.mkdir()
        self._access = access
        self._cgroup = f"{folder.name}-{self.name}"
        cgroups.make(self._cgroup)
        self.namespaces = Namespaces(self.folder, whole=True)
        self.namespaces.run("mount", "--make-rshared", "/")
        self._show_kernel_settings()
        self._write_files()

    def _show_kernel_settings(self) -> None:
        for name, value in KERNEL_SETTINGS.items():
            shown = self.folder / name.replace("/", "_")
            shown.write_text(f"{value}\n")
            self.namespaces.run("mount", "--bind", shown, f"/proc/sys/{name}")

    def _write_files(self) -> None:
        (self.folder / "cni").mkdir()
        (self.folder / "resolv.conf").write_text("")
        values = {
            "folder": self.folder,
            "name": self.name,
            "address": self.address,
            "pods": layout.pods(self.number),
            "all_pods": layout.PODS,
            "dns": layout.address(1),
            "cgroup": self._cgroup,
            "pause": PAUSE,
            "runc": debian_programs.find("runc", "usr/sbin/runc"),
            "plugins": debian_programs.find("containernetworking-plugins", "usr/lib/cni"),
            "authority": self._access.certificate("authority"),
            "certificate": self._access.certificate(self.name),
            "key": self._access.key(self.name),
            "kubeconfig": self._access.kubeconfig("proxy"),
        }
        for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "cni.conflist"):
            place = self.folder / "cni" if name == "cni.conflist" else self.folder
            (place / name).write_text(Template((FILES / name).read_text()).substitute(values))

    def join(self, outside: Namespaces) -> None:
        """Lead a wire from the bridge in the network outside to this node, and set its routes."""
        wire = f"wire{self.number}"
        outside.run("ip", "link", "add", wire, "type", "veth", "peer", "eth0", "netns", str(self.namespaces.pid))
        outside.run("ip", "link", "set", wire, "master", "lan", "up")
        self.namespaces.run("ip", "link", "set", "lo", "up")
        self.namespaces.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.namespaces.run("ip", "link", "set", "eth0", "up")
        # Without one, addresses of services are unreachable before kube-proxy sees them.
        self.namespaces.run("ip", "route", "add", "default", "via", layout.OUTSIDE_ADDRESS)
        self.namespaces.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for other in layout.NODES:
            if other != self.number:
                self.namespaces.run("ip", "route", "add", layout.pods(other), "via", layout.address(other))

    def start_containerd(self) -> None:
        """Start containerd."""
        program = debian_programs.find("containerd", "usr/bin/containerd")
        self.namespaces.start(program, "--config", self.folder / "containerd.toml", env=debian_programs.environment())

    def load(self, archive: Path) -> None:
        """Import the images of an archive."""
        ctr = debian_programs.find("containerd", "usr/bin/ctr")
        words = ("--address", self.folder / "containerd.sock", "--namespace", "k8s.io", "images", "import", archive)
        self.namespaces.run(ctr, *words, env=debian_programs.environment())

    def start_kubelet(self) -> None:
        """Start the kubelet, which registers the node."""
        self.namespaces.start(
            BIN / "kubelet",
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={self._access.kubeconfig(self.name)}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
            f"--node-labels=topology.kubernetes.io/zone=zone-{self.number}",
            env=debian_programs.environment(),
        )

    def start_proxy(self) -> None:
        """Start kube-proxy, which waits half a minute for a node that is not registered yet."""
        program = BIN / "kube-proxy"
        self.namespaces.start(program, f"--config={self.folder / 'kube-proxy.yaml'}", env=debian_programs.environment())

    def start_policy_controller(self) -> None:
        """Start what enforces NetworkPolicies: the CNI plugins do not."""
        self.namespaces.start(
            BIN / "kube-router",
            f"--kubeconfig={self._access.kubeconfig('policies')}",
            f"--hostname-override={self.name}",
            "--run-firewall",
            "--run-router=false",
            "--run-service-proxy=false",
            "--enable-cni=false",
            f"--service-cluster-ip-range={layout.SERVICES}",
            "--health-port=0",
            env=debian_programs.environment(),
        )

    def end(self) -> None:
        """Kill everything on the node, as a power cut does, and give the cgroups back."""
        self.namespaces.end()
        cgroups.remove(self._cgroup)
