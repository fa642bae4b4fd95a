"""A platform under load with what scenarios do to it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
from confluent_kafka import KafkaException
from grpc import RpcError
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from psycopg.conninfo import make_conninfo

from faults.injection.clock import MovedClock
from faults.injection.launches import Launches
from faults.injection.network import Network
from faults.load.customers import TRACKED, Customers
from faults.load.journal import Journal
from faults.oracle.evidence import SQL
from faults.oracle.log_reader import LogReader
from faults.oracle.verdict import Expected
from runtime.kafka.settings import KafkaSettings
from stack.processes.waiting import wait_until
from stack.running_stack import RunningStack
from stack.servers.credentials import KAFKA_BROKER
from stack.supervision.status import HEALTHY_STATES

PATIENCE_SECONDS = 90.0
RECONCILE_SECONDS = 60.0
STALLED_SECONDS = 20.0


class NotRepaired(Exception):
    """What a scenario waited for did not happen; the message says what."""


class World:
    """A platform, its load and its oracle's reader."""

    def __init__(
        self,
        stack: RunningStack,
        launches: Launches,
        network: Network | None = None,
        clock: MovedClock | None = None,
        *,
        brief: bool = True,
    ) -> None:
        self.stack = stack
        self.launches = launches
        self._network = network
        self._clock = clock
        self.brief = brief
        self.front = stack.grpc if network is None else network.front.address
        self.customers = Customers(self.front, seed=1)
        self.log = LogReader(self.kafka(KAFKA_BROKER))
        self.expected = Expected(TRACKED)
        # What a scenario measured besides the figures of every row.
        self.notes: dict[str, Any] = {}
        # What a scenario found wrong besides the oracle.
        self.problems: list[str] = []
        self.injected_at = self.repaired_at = 0.0

    @property
    def journal(self) -> Journal:
        """What the clients were told."""
        return self.customers.journal

    @property
    def network(self) -> Network:
        """The proxies of a platform that has them."""
        if self._network is None:
            raise NotRepaired("this platform has no proxies")
        return self._network

    @property
    def clock(self) -> MovedClock:
        """The clock of a platform in which one can be moved."""
        if self._clock is None:
            raise NotRepaired("this platform has no clock that can be moved")
        return self._clock

    @property
    def brokers(self) -> list[str]:
        """The components that are brokers."""
        return [
            name for name in self.stack.stack.status.components if name in ("kafka", "kafka-1", "kafka-2", "kafka-3")
        ]

    def seconds(self, full: float, brief: float) -> float:
        """Return how long something lasts, in full or in brief."""
        return brief if self.brief else full

    def expect(self, **changes: Any) -> None:
        """Expect from now on what a fault leaves on purpose: fields of Expected."""
        self.expected = replace(self.expected, **changes)

    @contextlib.contextmanager
    def fault(self) -> Iterator[None]:
        """Mark the time from the fault to its repair."""
        self.injected_at = time.monotonic()
        try:
            yield
        finally:
            self.repaired_at = time.monotonic()

    def hold(self, full: float, brief: float) -> None:
        """Let the fault last."""
        time.sleep(self.seconds(full, brief))

    def dsn(self, database: str) -> str:
        """Return the superuser's DSN of a database."""
        return make_conninfo(self.stack.context.admin_dsn, dbname=database)

    def query(self, database: str, query: LiteralString, *values: object) -> list[Any]:
        """Return the rows of a statement as superuser, none when it has none; committed."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def number(self, database: str, query: LiteralString) -> int:
        """Return the number of a query."""
        return int(self.query(database, query)[0][0])

    def kafka(self, user: str) -> KafkaSettings:
        """Return the settings of a client of the local Kafka."""
        return self.stack.context.kafka_settings(user)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait for a condition and return the seconds it took. Raises NotRepaired."""
        started = time.monotonic()
        if not wait_until(lambda: holds(condition), seconds):
            raise NotRepaired(f"not within {seconds:g} s: {what}")
        return round(time.monotonic() - started, 2)

    def ready(self, *names: str) -> bool:
        """Return whether components are ready, by default all."""
        components = self.stack.stack.status.components
        return all(components[name].state in HEALTHY_STATES for name in names or components)

    def await_ready(self, *names: str) -> float:
        """Wait until components are ready; return the seconds."""
        return self.until(lambda: self.ready(*names), f"{', '.join(names) or 'every component'} is ready")

    def kill(self, name: str) -> float:
        """Kill a component and wait until it is ready again; return the seconds."""
        restarts = self.stack.kill(name)
        restarted = lambda: self.stack.component(name).restarts > restarts and self.ready(name)  # noqa: E731
        return self.until(restarted, f"{name} is ready again")

    def kill_child(self, name: str, index: int = 0) -> float:
        """Kill a process of a service; return the seconds until there is another in its place."""
        before = self.stack.children(name)
        os.kill(before[index], signal.SIGKILL)

        def replaced() -> bool:
            now = self.stack.children(name)
            return before[index] not in now and len(now) == len(before)

        return self.until(replaced, f"{name} has another process")

    def backlog(self) -> int:
        """Return the orders that are stored and not counted."""
        stored = self.number("orders", "SELECT count(*) FROM orders")
        return stored - self.number("analytics", SQL.counted_orders)

    def await_quiet(self) -> bool:
        """Wait until all events are published and counted, while that goes on; return whether they are."""
        before, changed_at = (-1, -1), time.monotonic()
        while time.monotonic() < changed_at + STALLED_SECONDS:
            # A database that is down has no figures.
            with contextlib.suppress(psycopg.Error, KafkaException):
                now = self.number("orders", SQL.unsent), self.number("analytics", SQL.counted_events)
                self.log.read()
                distinct = len({record.event.event_id for record in self.log.records})
                if not now[0] and now[1] >= distinct:
                    return True
                if now != before:
                    before, changed_at = now, time.monotonic()
            time.sleep(0.5)
        return False

    def reconcile(self) -> str:
        """Return the verdict of Reconcile, asked again while events are in flight; UNAVAILABLE without one."""
        limit = time.monotonic() + RECONCILE_SECONDS
        while True:
            answer = self._ask_reconcile()
            if answer not in ("IN_FLIGHT", "UNAVAILABLE") or time.monotonic() > limit:
                return answer
            time.sleep(0.5)

    def _ask_reconcile(self) -> str:
        with self.stack.channel() as channel:
            stub: Any = pipeline_pb2_grpc.PipelineServiceStub(channel)
            try:
                answer = stub.Reconcile(pipeline_pb2.ReconcileRequest(wait_seconds=20), timeout=RECONCILE_SECONDS)
            except RpcError:
                return "UNAVAILABLE"
        self.notes["reconcile"] = [finding.message for finding in answer.findings][:3] or answer.summary
        return str(pipeline_pb2.ReconcileResponse.Verdict.Name(answer.verdict))


def holds(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds; errors of a platform that is down mean that it does not."""
    try:
        return condition()
    except Exception:
        return False
