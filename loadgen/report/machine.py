"""The machine and the package versions, for the result."""

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("ordermesh", "ordermesh-contracts", "grpcio", "protobuf", "uvloop", "hdrhistogram")


@dataclass(frozen=True)
class Machine:
    """A machine as the kernel reports it; 0 or empty when unknown."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str


def read_machine() -> Machine:
    """Return this machine; `cores` are those that the process may use."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(_processor(), len(os.sched_getaffinity(0)), memory_bytes, platform.release())


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the relevant installed packages."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def read_commit() -> str:
    """Return the commit of the source, with a plus for uncommitted changes; empty outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return f"{head}+" if _git("status", "--porcelain", "--untracked-files=no") else head


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "")
