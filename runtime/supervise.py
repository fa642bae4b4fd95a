"""A service of several processes: starts them, starts again what ends, drains them, and leaves none behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess

from prometheus_client import multiprocess

from runtime import metrics
from runtime.logging import logger
from runtime.shutdown import die_with_parent, on_signal

FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0
# A child that ran this long was well: its next restart is immediate again.
SETTLED_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(slots=True)
class Child:
    """One place in the service and the process that fills it."""

    index: int
    process: SpawnProcess | None = None
    started_at: float = 0.0
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    start_at: float = field(default_factory=time.monotonic)


def run_child(target: Callable[[int], None], index: int, parent_pid: int) -> None:
    """Run in the child: tie it to its parent, then do the work. SIGINT is the parent's to handle."""
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(index)


class Supervisor:
    """Keeps `count` processes of `target(index)` running until a signal; then drains them within `grace_seconds`.

    Never forks: librdkafka and gRPC do not survive it. `target` must be importable from a module.
    """

    def __init__(
        self, target: Callable[[int], None], count: int, *, metrics_address: str, grace_seconds: float
    ) -> None:
        self._target = target
        self._children = [Child(index) for index in range(count)]
        self._metrics_address = metrics_address
        self._grace_seconds = grace_seconds
        self._spawn = multiprocessing.get_context("spawn")

    def run(self) -> None:
        """Block until SIGTERM or SIGINT and every child has ended."""
        stop = on_signal()
        with tempfile.TemporaryDirectory(prefix="om-metrics-") as folder:
            os.environ[metrics.MULTIPROCESS_FOLDER] = folder
            server = metrics.serve(self._metrics_address)
            try:
                while not stop.wait(POLL_SECONDS):
                    for child in self._children:
                        self._tend(child)
            finally:
                self._drain()
                server.shutdown()

    def _tend(self, child: Child) -> None:
        process = child.process
        now = time.monotonic()
        if process is not None and not process.is_alive():
            multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]  # the library has no types here
            if now - child.started_at > SETTLED_SECONDS:
                child.backoff_seconds = FIRST_BACKOFF_SECONDS
            logger().warning(
                "child ended", child=child.index, exit_code=process.exitcode, backoff_seconds=child.backoff_seconds
            )
            child.process, child.start_at = None, now + child.backoff_seconds
            child.backoff_seconds = min(child.backoff_seconds * 2, MAX_BACKOFF_SECONDS)
        if child.process is None and now >= child.start_at:
            self._start(child)

    def _start(self, child: Child) -> None:
        arguments = (self._target, child.index, os.getpid())
        child.process = self._spawn.Process(target=run_child, args=arguments, name=f"child-{child.index}")
        child.process.start()
        child.started_at = time.monotonic()
        logger().info("child started", child=child.index, pid=child.process.pid)

    def _drain(self) -> None:
        """Ask all children to finish, end those that do not within the grace."""
        living = [child.process for child in self._children if child.process is not None and child.process.is_alive()]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        for process in living:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                logger().error("child did not finish in time", pid=process.pid, grace_seconds=self._grace_seconds)
                process.kill()
                process.join()
