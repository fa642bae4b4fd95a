"""The supervisor of a service of several processes: starts, restarts and drains them, and leaves no orphan."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import multiprocess

from runtime.process import heartbeat
from runtime.process.restarts import Restarts
from runtime.process.shutdown import STOP_SECONDS, SUPERVISOR_SECONDS, on_signal
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics import component_metric, endpoint, folder, handover

POLL_SECONDS = 0.05


@dataclass(slots=True)
class Child:
    """One of the service's processes and its successors."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    restarts: Restarts = field(default_factory=Restarts)
    # When to start it, by the monotonic clock.
    start_at: float = field(default_factory=time.monotonic)
    # How its last process ended.
    last_exit: str = ""


class ProcessSupervisor:
    """Keeps `count` processes of `python -m module` running until a signal; then drains them within `grace_seconds`.

    The module calls `child.run_child`. It is not imported here, so that this process loads none of the service's code.
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
        """Block until SIGTERM or SIGINT, and then until every child has ended."""
        stop = on_signal(STOP_SECONDS)
        with folder.metrics_folder() as path:
            os.environ[handover.MULTIPROCESS_FOLDER] = str(path)
            metrics.create("supervisor")
            server = endpoint.serve(self._metrics_address, self.health)
            try:
                while not stop.wait(POLL_SECONDS):
                    for child in self._children:
                        self._supervise(child)
            finally:
                self._draining = True
                self._drain()
                server.shutdown()

    def health(self) -> heartbeat.Health:
        """Return the health of the service from that of its processes."""
        if self._draining:
            return heartbeat.Health(heartbeat.DRAINING, heartbeat.DRAINING_DETAIL)
        return heartbeat.worst_health([self._child_health(child) for child in self._children])

    def _child_health(self, child: Child) -> heartbeat.Health:
        if child.restarts.crash_looping(running=child.process is not None):
            exits = child.restarts.early_exits
            return heartbeat.Health(heartbeat.CRASH_LOOPING, f"ended {exits} times in a row, {child.last_exit}")
        if child.process is None:
            return heartbeat.Health(heartbeat.STARTING, child.last_exit or "not started")
        return heartbeat.child_health(str(child.index), child.restarts.started_at)

    def _supervise(self, child: Child) -> None:
        process = child.process
        now = time.monotonic()
        if process is not None and process.poll() is not None:
            multiprocess.mark_process_dead(child.index)  # type: ignore[no-untyped-call]  # the library has no types here
            child.last_exit = f"the last with exit code {process.returncode}"
            delay_seconds = child.restarts.exited()
            logger().warning(
                "child ended", child_index=child.index, exit_code=process.returncode, backoff_seconds=delay_seconds
            )
            child.process, child.start_at = None, now + delay_seconds
        if child.process is None and now >= child.start_at:
            self._start(child)

    def _start(self, child: Child) -> None:
        command = [sys.executable, "-P", "-m", *self._module, str(child.index), str(os.getpid())]
        env = os.environ | {component_metric.CHILD_INDEX: str(child.index)}
        if child.last_exit:
            metrics.CHILD_RESTARTS.inc()
        child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env)  # noqa: S603  # our own module
        child.restarts.started()
        logger().info("child started", child_index=child.index, pid=child.process.pid)

    def _drain(self) -> None:
        """Send SIGTERM to all children, SIGKILL to those that are left after the grace period."""
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
                logger().error("child did not drain in time", pid=process.pid, grace_seconds=self._grace_seconds)
                process.kill()
                process.wait()
