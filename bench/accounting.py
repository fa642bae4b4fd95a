"""What groups of processes cost: CPU time with that of their ended children, and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stack import proc

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
# utime, stime, cutime and cstime, counted from the state on.
CPU_FIELDS = slice(11, 15)

Roots = Mapping[str, Iterable[int]]


@dataclass(frozen=True)
class Cost:
    """CPU microseconds by process group."""

    cpu_us: Mapping[str, int]

    def since(self, earlier: Cost) -> dict[str, int]:
        """Return what was used after an earlier mark."""
        return {name: used - earlier.cpu_us.get(name, 0) for name, used in self.cpu_us.items()}


def mark(roots: Roots) -> Cost:
    """Note what each group has used so far; a group is its root processes and everything below them."""
    return Cost({name: sum(map(cpu_us, family(pids))) for name, pids in roots.items()})


def family(pids: Iterable[int]) -> list[int]:
    """Return the processes and everything below them."""
    return [member for pid in pids for member in (pid, *proc.descendants(pid))]


def cpu_us(pid: int) -> int:
    """Return the CPU time of a process and of its children that have ended; 0 when it is gone."""
    return sum(map(int, proc.stat_fields(pid)[CPU_FIELDS])) * TICK_US


def memory_bytes(roots: Roots) -> dict[str, int]:
    """Return the memory of each group, what several processes share divided among them (PSS)."""
    return {name: sum(map(pss_bytes, family(pids))) for name, pids in roots.items()}


def pss_bytes(pid: int) -> int:
    """Return the proportional memory of a process; 0 when it is gone."""
    try:
        lines = (proc.PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
