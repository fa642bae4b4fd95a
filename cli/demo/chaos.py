"""Kills processes of a running stack at random, for `ordermesh demo --chaos`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from stack.processes import proc
from stack.supervision.stack_supervisor import Stack
from stack.supervision.status import HEALTHY_STATES, State

FIRST_PAUSE_SECONDS = 2.0
PAUSE_SECONDS = (2.5, 5.0)
# A component, or one of its processes.
ORDERS_PROCESS, WORKER = "an orders process", "a worker"
CHILDREN = {ORDERS_PROCESS: "orders", WORKER: "processor"}
TASK = State.DONE


class Chaos:
    """A thread that kills something every few seconds while its block runs; a seed repeats the victims."""

    def __init__(self, stack: Stack, seed: int, tell: Callable[[str], None]) -> None:
        self.killed: Counter[str] = Counter()
        self._stack = stack
        self._random = random.Random(seed)  # noqa: S311  # a seed repeats it
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self.victims = [name for name, one in stack.status.components.items() if one.state != TASK]
        self.victims += CHILDREN

    def __enter__(self) -> Self:
        """Start to kill."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Kill no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stop.wait(pause):
            pause = self._random.uniform(*PAUSE_SECONDS)
            self._kill(self._random.choice(self.victims))

    def _kill(self, victim: str) -> None:
        """Kill a victim, if it is not down already."""
        component = self._stack.status.components[CHILDREN.get(victim, victim)]
        if component.pid is None or component.state not in HEALTHY_STATES:
            return
        pids = sorted(proc.descendants(component.pid)) if victim in CHILDREN else [component.pid]
        if not pids:
            return
        pid = self._random.choice(pids)
        # It may have ended by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[victim] += 1
            self._tell(f"killed {victim} (pid {pid})")
