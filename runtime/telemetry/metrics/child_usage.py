"""CPU time and memory of child processes, from /proc: the library has no metrics of processes that share theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric

from runtime.telemetry import metrics
from runtime.telemetry.metrics.component_metric import Labels

# Fields of /proc/<pid>/stat after the name, counted from 0; see proc(5).
UTIME, STIME, RSS_PAGES = 11, 12, 21
TICKS_PER_SECOND, PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def families(pids: Mapping[int, int]) -> Iterable[Metric]:
    """Return the metrics of running children from their pids by index; a child that has just ended has none."""
    cpu: dict[Labels, float] = {}
    memory: dict[Labels, float] = {}
    for index, pid in pids.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        cpu[str(index),] = (int(fields[UTIME]) + int(fields[STIME])) / TICKS_PER_SECOND
        memory[str(index),] = int(fields[RSS_PAGES]) * PAGE_BYTES
    return metrics.CHILD_CPU.family(cpu), metrics.CHILD_MEMORY.family(memory)
