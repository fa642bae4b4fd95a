"""A node's own corner in each hierarchy of the machine's cgroups."""

from __future__ import annotations

import contextlib

from prepare.machine import CGROUPS
from waiting import await_true

CONTROLLERS = ("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd")


def make(name: str) -> None:
    """Make a cgroup in each hierarchy."""
    for controller in CONTROLLERS:
        (CGROUPS / controller / name).mkdir(exist_ok=True)
    for what in ("cpuset.cpus", "cpuset.mems"):
        (CGROUPS / "cpuset" / name / what).write_text((CGROUPS / "cpuset" / what).read_text())


def remove(name: str) -> None:
    """Remove the cgroups of a name and those in them, once the kernel has ended the processes that were killed."""
    await_true(lambda: _removed(name), f"nothing runs in the cgroups {name} any more")


def _removed(name: str) -> bool:
    for top in CGROUPS.glob(f"*/{name}"):
        for cgroup in sorted([top, *top.rglob("*/")], key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                cgroup.rmdir()
    return not any(CGROUPS.glob(f"*/{name}"))
