"""Cost of process groups from /proc: CPU time including ended children, and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stack.processes import proc

QUIET_CORES = 0.35
QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
# utime, stime, cutime and cstime, counted from the field state.
CPU_FIELDS = slice(11, 15)

Roots = Mapping[str, Iterable[int]]


@dataclass(frozen=True)
class Cost:
    """CPU time in microseconds by process group and of the machine, at a time of the monotonic clock."""

    cpu_us: Mapping[str, int]
    machine_us: int = 0
    at_seconds: float = 0.0

    def since(self, earlier: Cost) -> dict[str, int]:
        """Return the CPU time used since an earlier cost."""
        return {name: used - earlier.cpu_us.get(name, 0) for name, used in self.cpu_us.items()}

    def cores_elsewhere(self, earlier: Cost, ours_us: int) -> float:
        """Return the cores used by other processes since an earlier cost; `ours_us` is the CPU time of our own."""
        seconds = max(self.at_seconds - earlier.at_seconds, 1e-3)
        return round(max(self.machine_us - earlier.machine_us - ours_us, 0) / 1e6 / seconds, 3)


def measure_cost(roots: Roots) -> Cost:
    """Return the cost so far; a group consists of its root processes and their descendants."""
    cpu = {name: sum(map(cpu_us, family(pids))) for name, pids in roots.items()}
    return Cost(cpu, machine_us(), time.monotonic())


def await_quiet(roots: Roots) -> None:
    """Wait until other processes are idle, for at most PATIENCE_SECONDS; the result shows their cores."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = measure_cost(roots)
        time.sleep(QUIET_SECONDS)
        now = measure_cost(roots)
        if now.cores_elsewhere(before, sum(now.since(before).values())) < QUIET_CORES:
            return


def machine_us() -> int:
    """Return the CPU time of the whole machine in microseconds."""
    user, nice, system, _idle, _waiting, irq, soft_irq, *_ = map(int, (proc.PROC / "stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft_irq) * TICK_US


def family(pids: Iterable[int]) -> list[int]:
    """Return the processes and their descendants."""
    return [member for pid in pids for member in (pid, *proc.descendants(pid))]


def cpu_us(pid: int) -> int:
    """Return the CPU time of a process and its ended children in microseconds; 0 when it has ended."""
    return sum(map(int, proc.stat_fields(pid)[CPU_FIELDS])) * TICK_US


def memory_bytes(roots: Roots) -> dict[str, int]:
    """Return the proportional memory (PSS) of each group in bytes."""
    return {name: sum(map(pss_bytes, family(pids))) for name, pids in roots.items()}


def pss_bytes(pid: int) -> int:
    """Return the proportional memory of a process in bytes; 0 when it has ended."""
    try:
        lines = (proc.PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
