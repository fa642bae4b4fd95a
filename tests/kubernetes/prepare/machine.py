"""What a machine must have for a test cluster."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# By the package that has them in Debian.
PROGRAMS = {
    "go": "golang (1.26 or newer)",
    "podman": "podman",
    "debootstrap": "debootstrap",
    "apt-get": "apt",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
CAP_SYS_ADMIN = 21
CGROUPS = Path("/sys/fs/cgroup")


class MachineUnfit(Exception):
    """Names everything that is missing."""


def require() -> None:
    """Raise MachineUnfit when a cluster cannot run here."""
    missing = []
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if os.geteuid() or not int(status["CapEff"], 16) >> CAP_SYS_ADMIN & 1:
        missing.append("root with CAP_SYS_ADMIN, for namespaces, cgroups and network devices")
    if not (CGROUPS / "cpuset").is_dir():
        missing.append(f"cgroup v1 in {CGROUPS}: with cgroup v2 it was never tried")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            missing.append(f"{program}: install {package}")
    if missing:
        raise MachineUnfit("a test cluster cannot run on this machine, which lacks\n  " + "\n  ".join(missing))
