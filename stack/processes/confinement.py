"""What a process may access, enforced by Landlock where the kernel has it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.process import landlock

LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store", "/gnu/store")
# What the C library and runtimes read: names of accounts and hosts, the time zone, the machine's size.
SYSTEM_FILES = (
    *(f"/etc/{name}" for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload")),
    *(f"/etc/{name}" for name in ("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "resolv.conf", "gai.conf")),
    *(f"/etc/{name}" for name in ("services", "protocols", "localtime", "timezone", "locale.alias")),
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/self",
    *(f"/proc/{name}" for name in ("cpuinfo", "meminfo", "stat", "filesystems", "mounts", "cgroups", "version")),
    "/proc/sys",
    "/sys/fs/cgroup",
    "/sys/devices/system",
    "/sys/kernel/mm",
)


@dataclass(frozen=True)
class Confinement:
    """The paths that a process may read, execute and write, with everything beneath them, besides the system's.

    In listable ones it may see the names of files only. It may bind and connect to these TCP ports; None allows all of
    them.
    """

    readable: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    listable: tuple[str, ...] = ()
    bind_ports: tuple[int, ...] | None = None
    connect_ports: tuple[int, ...] | None = None

    def as_json(self) -> str:
        """Return what runtime.process.child reads."""
        allowed = asdict(self)
        allowed["readable"] = [*SYSTEM_FILES, *self.readable]
        allowed["executable"] = [*LIBRARIES, *self.executable]
        allowed["writable"] = ["/dev/null", *self.writable]
        return json.dumps(allowed)


def paths(*found: Path) -> tuple[str, ...]:
    """Return paths as a Confinement has them."""
    return tuple(map(str, found))


def enforced() -> bool:
    """Return whether the kernel enforces confinements."""
    return landlock.version() > 0


def unique(ports: Collection[int]) -> tuple[int, ...]:
    """Return ports without repetitions, in order."""
    return tuple(sorted(set(ports)))
