"""Fixed-rate runs with the load generator; costs are measured while orders arrive."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.subjects import accounting
from bench.subjects.accounting import Cost
from bench.subjects.pipeline import SQL, ProductProbes, Subject
from runtime.identity.client_credential import with_credential

SAMPLE_SECONDS = 1.0
COST_EVERY_SAMPLES = 5
SHARES = ("p50", "p90", "p99", "p99_9")


@dataclass(frozen=True)
class Sample:
    """Stored and counted orders at a time, in some samples with the cost so far."""

    seconds: float
    stored: int
    counted: int
    cost: Cost | None


@dataclass(frozen=True)
class OpenRun:
    """One run at a fixed rate; its fields are those of the result file."""

    subject: str
    protocol: str
    rate: str
    generator: dict[str, Any]
    publish_ms: dict[str, float]
    count_ms: dict[str, float]
    cpu_us_per_order: dict[str, float]
    cpu_us_per_order_total: float
    cores_used: float
    cores_elsewhere: float
    wal_bytes_per_order: float
    memory_bytes: dict[str, int]
    backlog: list[tuple[float, int, int]]
    settings: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def run(probes: ProductProbes, subject: Subject, protocol: str, shape: tuple[str, str], seconds: float) -> OpenRun:
    """Run the load generator with a shape such as ("--rate", "1000"), and sample the pipeline meanwhile."""
    accounting.await_quiet(subject.roots)
    began, stored, wal = time.time(), subject.stored(), subject.wal_bytes()
    follower = Follower(subject)
    generated = generate(subject.port, protocol, shape, seconds, subject.credential)
    samples = follower.finish()
    sending = while_sending(samples)
    used, orders = sending.cpu_us, sending.orders
    generator_us = round(generated["timing"]["generator_cpu_us_per_order"] * orders)
    return OpenRun(
        subject=subject.name,
        protocol=protocol,
        rate=shape[1],
        generator=generated,
        publish_ms=percentiles(probes.orders, SQL.publish_latency, began),
        count_ms=percentiles(probes.analytics, SQL.count_latency, began),
        cpu_us_per_order={name: round(us / orders, 2) for name, us in used.items()},
        cpu_us_per_order_total=round(sum(used.values()) / orders, 1),
        cores_used=round(sum(used.values()) / 1e6 / sending.seconds, 3),
        cores_elsewhere=sending.after.cores_elsewhere(sending.before, sum(used.values()) + generator_us),
        wal_bytes_per_order=round((subject.wal_bytes() - wal) / max(subject.stored() - stored, 1), 1),
        memory_bytes=accounting.memory_bytes(subject.roots),
        backlog=[(sample.seconds, sample.stored, sample.counted) for sample in samples],
        settings=dict(subject.settings),
    )


def generate(
    port: int, protocol: str, shape: tuple[str, str], seconds: float, credential: str | None
) -> dict[str, Any]:
    """Run the load generator and return its result, which includes its exit code."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        output = Path(folder) / "result.json"
        target = ["--target", f"http://127.0.0.1:{port}"]
        load = ["--protocol", protocol, *shape, "--duration", f"{seconds}s"]
        command = [sys.executable, "-m", "loadgen", *target, *load, "--reconcile-wait", "120s", "--output", str(output)]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=with_credential(credential))
        found: dict[str, Any] = json.loads(output.read_text())
        return found


def percentiles(connection: psycopg.Connection[Any], query: Any, since: float) -> dict[str, float]:
    """Return percentiles in milliseconds from a database query; empty without events."""
    row = connection.execute(query, {"since": since}).fetchone()
    return {name: round(float(ms), 2) for name, ms in zip(SHARES, row[0], strict=True)} if row and row[0] else {}


@dataclass(frozen=True)
class Sending:
    """The interval between two costs while orders arrived."""

    before: Cost
    after: Cost
    orders: int
    seconds: float

    @property
    def cpu_us(self) -> dict[str, int]:
        """CPU time by process group in the interval, in microseconds."""
        return self.after.since(self.before)


def while_sending(samples: list[Sample]) -> Sending:
    """Return the interval between the first and the last cost while orders arrived."""
    costs = [(sample, sample.cost) for sample in samples if sample.cost is not None]
    first = next((n for n, (sample, _) in enumerate(costs) if sample.stored > 0), 0)
    end = costs[-1][0].stored
    last = next((n for n, (sample, _) in enumerate(costs) if sample.stored == end), len(costs) - 1) - 1
    (start, before), (stop, after) = costs[first], costs[max(last, first)]
    return Sending(before, after, max(stop.stored - start.stored, 1), max(stop.seconds - start.seconds, 1e-3))


class Follower:
    """Samples a pipeline in a thread until `finish`."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> list[Sample]:
        """Stop and return the samples."""
        self._stop.set()
        self._thread.join()
        return self._samples

    def _run(self) -> None:
        began = time.monotonic()
        zero = self._subject.stored(), self._subject.counted()
        count = 0
        while True:
            costly = count % COST_EVERY_SAMPLES == 0
            cost = accounting.measure_cost(self._subject.roots) if costly else None
            stored, counted = self._subject.stored() - zero[0], self._subject.counted() - zero[1]
            self._samples.append(Sample(round(time.monotonic() - began, 2), stored, counted, cost))
            count += 1
            if self._stop.wait(SAMPLE_SECONDS):
                return
