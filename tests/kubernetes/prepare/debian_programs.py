"""Programs of Debian that a node runs, unpacked into the cache: nothing is installed on the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from prepare.go_programs import BIN
from stack.downloads import debian

# runc is listed for itself: containerd asks for it, but a machine that has it would not download it.
PACKAGES = ("containerd", "runc", "containernetworking-plugins", "nftables", "iptables", "ipset")


def fetch() -> None:
    """Download what the cache lacks."""
    for package in PACKAGES:
        debian.ensure(package, tell=print, finish=name_iptables if package == "iptables" else lambda folder: None)


def name_iptables(folder: Path) -> None:
    """Give the programs over nftables their usual names, as the installation of the package would."""
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (folder / "usr/sbin" / name).symlink_to("xtables-nft-multi")


def find(package: str, path: str) -> Path:
    """Return a program by its path in a package."""
    return debian.ensure(package) / path


def environment() -> Mapping[str, str]:
    """Return an environment that finds these programs and their libraries, and those that were built."""
    place_of_libraries = f"usr/lib/{platform.machine()}-linux-gnu"
    folders = [find(package, place) for package in PACKAGES for place in ("usr/sbin", "usr/bin")]
    libraries = [find(package, place_of_libraries) for package in PACKAGES]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, folders), str(BIN), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "XTABLES_LIBDIR": str(find("iptables", f"{place_of_libraries}/xtables")),
    }
