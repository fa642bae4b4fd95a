"""End-to-end peaks: a closed model sends, and time is measured until the last order is counted."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from bench.loads import h2load
from bench.loads.closed_model import Load
from bench.subjects import accounting
from bench.subjects.pipeline import SQL, Subject

WARM_UP_CALLS = 400
CALIBRATION_SECONDS = 2.0
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Run:
    """One measured run; its fields are those of the result file."""

    subject: str
    load: str
    orders: int
    refused: int
    stored: int
    counted: int
    seconds_to_acknowledge: float
    seconds_to_count: float
    orders_per_second: float
    acknowledged_per_second: float
    cpu_us_per_order: dict[str, float]
    cpu_us_per_order_total: float
    wal_bytes_per_order: float
    cores_elsewhere: float
    memory_bytes: dict[str, int]
    latency_ms: dict[str, float]
    backlog: list[tuple[float, int, int]]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def reconciled(self) -> bool:
        """Whether exactly the acknowledged orders are stored and counted."""
        return self.orders == self.stored == self.counted

    def as_json(self) -> dict[str, Any]:
        """Return the fields and `reconciled`."""
        return {**asdict(self), "reconciled": self.reconciled}


def peak(subject: Subject, load: Load, seconds: float) -> Run:
    """Warm up, calibrate the rate, send for about `seconds`, and measure until all orders are counted."""
    checkpoint(subject)
    first = h2load.run(subject.accepted(load), subject.port, WARM_UP_CALLS)
    calls = max(WARM_UP_CALLS, round(first.calls / max(first.seconds, 0.01) * CALIBRATION_SECONDS))
    second = h2load.run(subject.accepted(load), subject.port, calls)
    subject.drain(subject.stored())
    accounting.await_quiet(subject.roots)
    return measured(subject, load, max(1, round(second.calls / second.seconds * seconds)))


def checkpoint(subject: Subject) -> None:
    """Force a checkpoint, so that none occurs in the run; the warm-up pays for full-page writes after it."""
    subject.wal_bytes.connection.execute(SQL.checkpoint)


def measured(subject: Subject, load: Load, calls: int, per_connection_per_second: int = 0) -> Run:
    """Send a number of calls, at a rate if given; costs are measured from the first until the last order is counted."""
    stored, counted, wal = subject.stored(), subject.counted(), subject.wal_bytes()
    before = accounting.measure_cost(subject.roots)
    with Sampler(subject) as sampler:
        began = time.monotonic()
        answers = h2load.run(subject.accepted(load), subject.port, calls, per_connection_per_second)
        subject.drain(counted + subject.stored() - stored)
        seconds = time.monotonic() - began
    after = accounting.measure_cost(subject.roots)
    spent = after.since(before) | {"generator": answers.cpu_us}
    orders = answers.calls * load.orders_per_call
    new = max(orders, 1)
    return Run(
        subject=subject.name,
        load=load.name,
        orders=orders,
        refused=answers.refused,
        stored=subject.stored() - stored,
        counted=subject.counted() - counted,
        seconds_to_acknowledge=round(answers.seconds, 3),
        seconds_to_count=round(seconds, 3),
        orders_per_second=round(new / seconds, 1),
        acknowledged_per_second=round(orders / max(answers.seconds, 0.001), 1),
        cpu_us_per_order={name: round(used / new, 2) for name, used in spent.items()},
        cpu_us_per_order_total=round(sum(spent.values()) / new, 1),
        wal_bytes_per_order=round((subject.wal_bytes() - wal) / new, 1),
        cores_elsewhere=after.cores_elsewhere(before, sum(spent.values())),
        memory_bytes=accounting.memory_bytes(subject.roots),
        latency_ms=answers.latency_ms,
        backlog=sampler.points,
        settings=dict(subject.settings),
    )


class Sampler:
    """Samples the numbers of stored and counted orders several times a second while it is active."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.points: list[tuple[float, int, int]] = []

    def __enter__(self) -> Sampler:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        first_stored, first_counted = self._subject.stored(), self._subject.counted()
        while not self._stop.wait(SAMPLE_SECONDS):
            try:
                stored, counted = self._subject.stored() - first_stored, self._subject.counted() - first_counted
            except psycopg.Error:
                continue
            self.points.append((round(time.monotonic() - began, 2), stored, counted))
