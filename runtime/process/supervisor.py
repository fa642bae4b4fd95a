"""A service of several processes: starts them, starts again what ends, drains them, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import multiprocess

from runtime.process import heartbeat
from runtime.process.shutdown import STOP_SECONDS, SUPERVISOR_SECONDS, die_with_parent, on_signal
from runtime.telemetry import component_metric, metrics_endpoint, metrics_folder
from runtime.telemetry.logging import logger

FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0
# A child that ran this long was well: its next restart is immediate again.
SETTLED_SECONDS = 10.0
POLL_SECONDS = 0.05
CRASH_LOOP_LIVES = 3


@dataclass(slots=True)
class Child:
    """One place in the service and the process that fills it."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    start_at: float = field(default_factory=time.monotonic)
    # How often in a row it ended soon after its start, and how the last time.
    short_lives: int = 0
    ended: str = ""


def run_child(work: Callable[[int], None]) -> None:
    """Be a supervisor's child: tie this process to its parent, then do the work. SIGINT is the parent's to handle."""
    index, parent_pid = map(int, sys.argv[-2:])
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(index)


class Supervisor:
    """Keeps `count` processes of `python -m module` running until a signal; then drains them within `grace_seconds`.

    The module calls `run_child`. It is named and not imported, so that this process holds nothing of what serves.
    """

    def __init__(
        self, module: Sequence[str], count: int, *, metrics_address: str, grace_seconds: float = SUPERVISOR_SECONDS
    ) -> None:
        self._module = module
        self._children = [Child(index) for index in range(count)]
        self._metrics_address = metrics_address
        self._grace_seconds = grace_seconds
        self._draining = False

    def run(self) -> None:
        """Block until SIGTERM or SIGINT and every child has ended."""
        stop = on_signal(STOP_SECONDS)
        with metrics_folder.made() as folder:
            os.environ[metrics_endpoint.MULTIPROCESS_FOLDER] = str(folder)
            server = metrics_endpoint.serve(self._metrics_address, lambda: self.health().as_json())
            try:
                while not stop.wait(POLL_SECONDS):
                    for child in self._children:
                        self._tend(child)
            finally:
                self._draining = True
                self._drain()
                server.shutdown()

    def health(self) -> heartbeat.Health:
        """Return how the service is, by its processes."""
        if self._draining:
            return heartbeat.Health(heartbeat.DRAINING, "finishes what is in flight")
        return heartbeat.worst([self._child_health(child) for child in self._children])

    def _child_health(self, child: Child) -> heartbeat.Health:
        settled = child.process is not None and time.monotonic() - child.started_at > SETTLED_SECONDS
        if child.short_lives >= CRASH_LOOP_LIVES and not settled:
            return heartbeat.Health(heartbeat.CRASH_LOOPING, f"ended {child.short_lives} times in a row, {child.ended}")
        if child.process is None:
            return heartbeat.Health(heartbeat.STARTING, child.ended or "not started")
        return heartbeat.child_health(str(child.index), child.started_at)

    def _tend(self, child: Child) -> None:
        process = child.process
        now = time.monotonic()
        if process is not None and process.poll() is not None:
            multiprocess.mark_process_dead(child.index)  # type: ignore[no-untyped-call]  # the library has no types here
            child.ended = f"the last with exit code {process.returncode}"
            child.short_lives += 1
            if now - child.started_at > SETTLED_SECONDS:
                child.backoff_seconds, child.short_lives = FIRST_BACKOFF_SECONDS, 0
            logger().warning(
                "child ended", child=child.index, exit_code=process.returncode, backoff_seconds=child.backoff_seconds
            )
            child.process, child.start_at = None, now + child.backoff_seconds
            child.backoff_seconds = min(child.backoff_seconds * 2, MAX_BACKOFF_SECONDS)
        if child.process is None and now >= child.start_at:
            self._start(child)

    def _start(self, child: Child) -> None:
        command = [sys.executable, "-P", "-m", *self._module, str(child.index), str(os.getpid())]
        env = os.environ | {component_metric.CHILD_INDEX: str(child.index)}
        child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env)  # noqa: S603  # a module of ours
        child.started_at = time.monotonic()
        logger().info("child started", child=child.index, pid=child.process.pid)

    def _drain(self) -> None:
        """Ask all children to finish, end those that do not within the grace."""
        living = [
            child.process for child in self._children if child.process is not None and child.process.poll() is None
        ]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        for process in living:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger().error("child did not finish in time", pid=process.pid, grace_seconds=self._grace_seconds)
                process.kill()
                process.wait()
