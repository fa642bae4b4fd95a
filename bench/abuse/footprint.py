"""What the components hold: memory, threads and descriptors, from /proc, and their peaks while something runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from stack.processes.proc import PROC
from stack.running_stack import RunningStack

COMPONENTS = ("envoy", "orders", "gateway", "analytics", "publisher", "processor")
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Footprint:
    """The memory of a component's processes in bytes, their threads and descriptors."""

    memory_bytes: int = 0
    threads: int = 0
    descriptors: int = 0

    def max(self, other: Footprint) -> Footprint:
        """Return the larger of each."""
        return Footprint(
            max(self.memory_bytes, other.memory_bytes),
            max(self.threads, other.threads),
            max(self.descriptors, other.descriptors),
        )


Footprints = Mapping[str, Footprint]


def footprints(stack: RunningStack) -> Footprints:
    """Return the footprint of each component."""
    return {name: footprint([stack.pid(name), *stack.children(name)]) for name in COMPONENTS}


def footprint(pids: list[int]) -> Footprint:
    """Return the footprint of processes; one that has ended has none."""
    memory = threads = descriptors = 0
    for pid in pids:
        try:
            status = dict(
                line.split(":", 1) for line in (PROC / str(pid) / "status").read_text().splitlines() if ":" in line
            )
            descriptors += len(os.listdir(PROC / str(pid) / "fd"))
        except OSError:
            continue
        memory += int(status.get("VmRSS", "0 kB").split()[0]) * 1024
        threads += int(status["Threads"])
    return Footprint(memory, threads, descriptors)


class Peaks:
    """Samples the footprints until it is left; holds the largest of each component."""

    def __init__(self, stack: RunningStack) -> None:
        self._pids = {name: [stack.pid(name), *stack.children(name)] for name in COMPONENTS}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.largest: dict[str, Footprint] = dict.fromkeys(COMPONENTS, Footprint())

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            for name, pids in self._pids.items():
                self.largest[name] = self.largest[name].max(footprint(pids))
            if self._stop.wait(SAMPLE_SECONDS):
                return
