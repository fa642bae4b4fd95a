"""A stack under load: what is accepted while something breaks must be there once and counted once."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc

from stack.processes import proc
from stack.running_stack import RunningStack

ORDERS_PER_SECOND = 200
# Longer than all that a test waits for meanwhile: the load is ended when the fault is over.
LOAD_SECONDS = 600
# For what a fault delays while other tests use the processors, such as the failover of three brokers.
PATIENCE_SECONDS = 180.0


class Load:
    """The load generator in a process of its own; `result` is what it found, once it has ended."""

    def __init__(self, target: str, protocol: str, output: Path, max_error_share: float) -> None:
        self.result: dict[str, Any] = {}
        self._output = output
        options = ["--target", target, "--protocol", protocol, "--rate", str(ORDERS_PER_SECOND)]
        options += ["--duration", f"{LOAD_SECONDS}s", "--output", str(output), "--retries", "100"]
        options += ["--max-error-share", str(max_error_share)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadgen", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )

    def finish(self) -> None:
        """Stop sending and wait until the generator has proved what it sent; fail when it could not."""
        self._process.send_signal(signal.SIGINT)
        told, _ = self._process.communicate(timeout=PATIENCE_SECONDS)
        assert self._output.exists(), told
        self.result = json.loads(self._output.read_text())
        assert self._process.returncode == 0, (told, self.result["errors"], self.result["reconciliation"])
        assert self.result["reconciliation"]["verdict"] == "AGREES"
        assert self.result["orders"]["accepted"] > 0

    def kill(self) -> None:
        """End the generator whatever it does."""
        self._process.kill()
        self._process.communicate()


class Faulted:
    """A running stack, and what the tests here ask of it."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self._channel = grpc.insecure_channel(stack.grpc)

    def one(self, database: str, query: Any, *values: object) -> Any:
        """Return the first row of a query in one of the databases."""
        with psycopg.connect(self.stack.context.dsn(f"{database}_owner")) as connection:
            return connection.execute(query, values).fetchone()

    def stored(self) -> int:
        """Count the orders."""
        return int(self.one("orders", "SELECT count(*) FROM orders")[0])

    def counted(self) -> int:
        """Count the orders that the metrics know."""
        row = self.one(
            "analytics", "SELECT coalesce(sum(value), 0) FROM sales_metrics WHERE metric_name = 'orders_total'"
        )
        return int(row[0])

    def await_stored(self, more: int) -> None:
        """Block until more orders have been stored."""
        wanted = self.stored() + more
        self.stack.wait_until(lambda: self.stored() >= wanted, PATIENCE_SECONDS, f"{more} more orders are stored")

    def await_counted(self, more: int) -> None:
        """Block until more orders have been counted."""
        wanted = self.counted() + more
        self.stack.wait_until(lambda: self.counted() >= wanted, PATIENCE_SECONDS, f"{more} more orders are counted")

    @contextlib.contextmanager
    def loaded(self, protocol: str = "rest", max_error_share: float = 0.01) -> Iterator[Load]:
        """Send orders while the block runs; afterwards every accepted one must be counted once, and both ends agree.

        A share of the orders may be refused, as they should be while a database is gone.
        """
        with tempfile.TemporaryDirectory() as folder:
            load = Load(self.stack.rest, protocol, Path(folder) / "result.json", max_error_share)
            try:
                self.await_stored(ORDERS_PER_SECOND // 2)
                yield load
                self.await_counted(ORDERS_PER_SECOND // 2)
                load.finish()
            finally:
                load.kill()
        assert self.reconcile() == "AGREES []"
        assert self.sequences_have_no_gap()

    def reconcile(self) -> str:
        """Return the verdict of the platform on itself."""
        stub = pipeline_pb2_grpc.PipelineServiceStub(self._channel)  # type: ignore[no-untyped-call]
        answer = stub.Reconcile(pipeline_pb2.ReconcileRequest(wait_seconds=120), timeout=PATIENCE_SECONDS)
        return f"{answer.Verdict.Name(answer.verdict)} {[one.message for one in answer.findings]}"

    def sequences_have_no_gap(self) -> bool:
        """Say whether no order has more or fewer created events than one, in the outbox and among what was counted."""
        outbox = "SELECT count(*), count(DISTINCT key) FROM event_outbox WHERE event_type = 1"
        counted = "SELECT count(*), count(DISTINCT order_id) FROM processed_events WHERE type = 1"
        return self.one("orders", outbox) == self.one("analytics", counted) == (self.stored(),) * 2

    def serving(self) -> list[int]:
        """Return the processes that serve orders."""
        return self.stack.children("orders")

    def ready(self, name: str) -> bool:
        """Say whether a component is ready."""
        return self.stack.component(name).state == "ready"

    def log_count(self, name: str, event: str) -> int:
        """Count the lines about an event in a service's log."""
        text = (self.stack.stack.state.logs / f"{name}.log").read_text()
        return sum(json.loads(line).get("event") == event for line in text.splitlines() if line.startswith("{"))

    def refusals(self) -> list[str]:
        """Return by what orders were refused: by admission, from the metrics, or after conflicts, from the log."""
        with urllib.request.urlopen(self.stack.component("orders").address, timeout=10) as reply:
            counted = re.findall(r"^ordermesh_\w+_refused_total.*$", reply.read().decode(), re.MULTILINE)
        log = (self.stack.stack.state.logs / "orders.log").read_text()
        return [*counted, *(line for line in log.splitlines() if "orders refused" in line)]

    def gone(self, pids: list[int]) -> bool:
        """Say whether none of the processes runs any more."""
        return all(proc.identify(pid) is None for pid in pids)
