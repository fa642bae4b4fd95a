"""Cores for the processes of a subject: the front proxy and the generator apart from everything behind them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from bench.subjects.accounting import Roots, family
from stack.processes import proc

FRONT = "envoy"


@contextlib.contextmanager
def front_apart(roots: Roots) -> Iterator[None]:
    """Give the front proxy and our own children the last core, and all other processes of the subject the rest.

    Processes that they start later inherit it. Of a single core nothing is left for the others, so nothing is changed.
    """
    before = os.sched_getaffinity(0)
    *others, front = sorted(before)
    if not others:
        yield
        return
    for group, pids in roots.items():
        assign(family(pids), {front} if group == FRONT else others)
    os.sched_setaffinity(0, {front})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def assign(pids: Iterable[int], cores: Iterable[int]) -> None:
    """Run all threads of the processes on these cores; those that end meanwhile are left out."""
    for pid in pids:
        for thread in threads(pid):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def threads(pid: int) -> list[int]:
    """Return the threads of a process, none when it has ended."""
    try:
        return [int(name) for name in os.listdir(proc.PROC / str(pid) / "task")]
    except (FileNotFoundError, ProcessLookupError):
        return []
