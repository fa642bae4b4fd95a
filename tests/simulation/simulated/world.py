"""A run: the platform's programs on a simulated machine, faults while they work, then peace, then the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from simulated import programs
from simulated.faults import Faults
from simulated.kafka.broker import Broker, Record
from simulated.oracle import Oracle, Violation
from simulated.postgres import analytics_sql, orders_sql, outbox_sql
from simulated.postgres.connection import AsyncConnection, Connection
from simulated.postgres.database import Database
from simulated.replacements import SHARDS, in_place_of_servers
from simulated.scheduler import Process, Scheduler, SimulatedTime

# Steps after the faults within which everything must be published and counted.
SETTLING_STEPS = 20_000
GARBAGE = (b"", b"garbage", b"\x0a\x03abc")


@dataclass(frozen=True)
class Report:
    """What a run did."""

    seed: int
    steps: int
    digest: int
    orders: int
    events: int
    duplicates: int
    restarts: int


class World:
    """The machine and its processes."""

    def __init__(self, seed: int, steps: int) -> None:
        self.scheduler = Scheduler(seed)
        self.time = SimulatedTime(self.scheduler)
        self.faults = Faults(self.scheduler)
        self.orders, self.analytics = Database(self.scheduler), Database(self.scheduler)
        self.broker = Broker(self.scheduler, self.faults)
        self.oracle = Oracle(self.broker, self.orders, self.analytics)
        self.settles = False
        draw = self.scheduler.random
        self.batch_events = draw.choice((2, 10, 100))
        self.publishers = draw.choice((1, 2, 3))
        self.shards_per_publisher = draw.choice((SHARDS, SHARDS // 2))
        self.protocol = draw.choice(("classic", "auto"))
        self.restarts = 0
        self._limit = steps
        self._programs: dict[str, Callable[[], None]] = {}
        self.scheduler.between = self._between
        for number in range(3):
            self._start(f"client {number}", programs.Client(self, number).run)
        for number in range(self.publishers):
            self._start(f"publisher {number}", lambda: programs.publisher(self))
        for number in range(draw.choice((1, 2, 3))):
            self._start(f"worker {number}", lambda number=number: programs.worker(self, number))
        self._start("operator", lambda: programs.operator(self))

    def _start(self, name: str, program: Callable[[], None]) -> None:
        self._programs[name] = program
        self.scheduler.start(name, program)

    def run(self) -> Report:
        """Run to the end. Raises Violation."""
        self.scheduler.run()
        self.oracle.check_all()
        events = sum(map(len, self.oracle.log.values()))
        steps, digest = self.scheduler.steps, self.scheduler.digest
        return Report(
            self.scheduler.seed, steps, digest, len(self.oracle.log), events, self.oracle.duplicates, self.restarts
        )

    def _between(self) -> bool:
        """Let the environment act between two steps; return False when the run is over."""
        random = self.scheduler.random.random
        if random() < 0.5:
            self.broker.transmit()
        steps = self.scheduler.steps
        if steps % 16 == 0:
            self.faults.end_idle_transactions()
        if steps % 1024 == 0:
            self.oracle.check_counting()
        if steps < self._limit:
            self._inject()
            return True
        if not self.settles:
            self._settle()
        if steps % 8 == 0:
            self._redrive()
        if steps > self._limit + SETTLING_STEPS:
            raise Violation("not everything is published and counted long after the last fault")
        return steps % 8 != 0 or not self._is_done()

    def _inject(self) -> None:
        draw, faults, processes = self.scheduler.random, self.faults, self.scheduler.processes
        if processes and faults.happens("kills"):
            self._kill(processes[int(draw.random() * len(processes))])
        if processes and faults.happens("stalls"):
            self._stall(processes[int(draw.random() * len(processes))])
        if faults.happens("outages"):
            self.broker.away_until = self.scheduler.now + draw.random() * 15
        if self.broker.members and faults.happens("expulsions"):
            self.broker.leave(self.broker.members[int(draw.random() * len(self.broker.members))])
        if faults.happens("garbage"):
            number, value = int(draw.random() * 4), GARBAGE[int(draw.random() * len(GARBAGE))]
            self.broker.append(Record(("order-events", number), b"x", value, []))

    def _kill(self, process: Process) -> None:
        """Kill a process and start it again; others notice within seconds that it is gone."""
        if process.killed:
            return
        self.restarts += 1
        random = self.scheduler.random.random
        self.scheduler.kill(process)
        for session in self.faults.sessions[:]:
            if session.owner is process:
                self.scheduler.at(random() * 2, session.end)
        self.scheduler.at(random() * 3, lambda: self.broker.lose(process.number))
        name = process.name
        self.scheduler.at(random() * 3, lambda: self._start(name, self._programs[name]))

    def _stall(self, process: Process) -> None:
        """Stop a process for a while; the group does not wait for it for long."""
        seconds = self.scheduler.random.random() * 15
        process.stalled_until = self.scheduler.now + seconds
        if seconds > 6:
            self.scheduler.at(6, lambda: self._expel(process))

    def _expel(self, process: Process) -> None:
        for member in [each for each in self.broker.members if each.number == process.number]:
            self.broker.leave(member)

    def _settle(self) -> None:
        self.settles = True
        self.faults.end()
        self.broker.away_until, self.broker.refuses = 0.0, False
        for process in self.scheduler.processes:
            process.stalled_until = 0.0

    def _redrive(self) -> None:
        """Send the records again that were in flight when workers were killed, as an operator does."""
        for place, row in sorted(self.analytics.tables["dead_letter"].items()):
            if row["reason"] == "CRASHED_WORKER" and place not in self.oracle.redriven:
                self.oracle.redriven.add(place)
                lost = self.broker.logs[place[:2]][place[2]]
                self.broker.append(Record(lost.place, lost.key, lost.value, lost.headers))

    def _is_done(self) -> bool:
        published = all(row["status"] == "SENT" for row in self.orders.tables["event_outbox"].values())
        positions = self.analytics.tables["partition_progress"]
        logs = {place: log for place, log in self.broker.logs.items() if place[0] in ("order-events", "stock")}
        counted = all(place in positions and positions[place]["next_offset"] == len(log) for place, log in logs.items())
        clients = any(process.name.startswith("client") for process in self.scheduler.processes)
        return published and counted and not clients and not self.broker.links_are_busy

    def connect_orders(self, *_: Any, **__: Any) -> Connection:
        """Connect to the orders database. Raises psycopg.OperationalError."""
        return self._connect(self.orders, orders_sql.HANDLERS | outbox_sql.HANDLERS)

    def connect_analytics(self, *_: Any, **__: Any) -> Connection:
        """Connect to the analytics database. Raises psycopg.OperationalError."""
        return self._connect(self.analytics, analytics_sql.HANDLERS)

    def _connect(self, database: Database, handlers: Any) -> Connection:
        self.scheduler.wait()
        if self.faults.happens("broken connections"):
            raise psycopg.OperationalError("connection failed")
        return Connection(database, handlers, self.faults)

    async def connect_async(self, *_: Any, **__: Any) -> AsyncConnection:
        """Connect to the orders database. Raises psycopg.OperationalError."""
        return AsyncConnection(self.connect_orders())


def simulate(seed: int, steps: int, *, logs: bool = False) -> Report:
    """Run the platform with a seed: so many steps with faults, and then as many as it takes. Raises Violation."""
    world = World(seed, steps)
    with in_place_of_servers(world, logs=logs):
        return world.run()
