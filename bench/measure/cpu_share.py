"""A share of a core for each of several processes, by control groups: cores that one machine does not have.

Needs root, and the controller `cpu` in version 1 of the control groups, or in version 2 at the root.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from stack.processes.waiting import wait_until

ROOT = Path("/sys/fs/cgroup")
# A quota of less than a millisecond is refused.
PERIOD_US = 200_000
END_SECONDS = 5.0


class SharesMissing(Exception):
    """This machine does not let us limit the CPU time of a process; the message says why."""


class Shares:
    """The control groups of some processes, one for each."""

    def __init__(self, groups: Iterable[Path], version: int) -> None:
        self._groups = list(groups)
        self._version = version

    def set(self, cores: float) -> None:
        """Let each process use this much of a core from now on."""
        quota_us = round(cores * PERIOD_US)
        for group in self._groups:
            if self._version == 1:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(quota_us))
            else:
                (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")


@contextlib.contextmanager
def shares_of(pids: Iterable[int], cores: float) -> Iterator[Shares]:
    """Let each process, with its threads, use at most this much of a core. Raises SharesMissing."""
    root, version = hierarchy()
    groups = {pid: root / f"ordermesh-bench-{pid}" for pid in pids}
    found = Shares(groups.values(), version)
    with contextlib.ExitStack() as held:
        try:
            for pid, group in groups.items():
                group.mkdir()
                held.callback(removed, group, root)
                (group / "cgroup.procs").write_text(str(pid))
            found.set(cores)
        except OSError as error:
            raise SharesMissing(f"no share of a core for a process: {error}") from error
        yield found


def hierarchy() -> tuple[Path, int]:
    """Return the root of the control groups that limit CPU time, and their version."""
    first = ROOT / "cpu"
    return (first, 1) if first.is_dir() else (ROOT, 2)


def removed(group: Path, root: Path) -> None:
    """Move what is left in a group back to the root, and remove it."""

    def empty() -> bool:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            os.rmdir(group)
        return not group.exists()

    wait_until(empty, END_SECONDS)
