"""Runs h2load, a native closed-model HTTP client, and parses its output."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loads.closed_model import Load

GOOD = re.compile(r"status codes: (\d+) 2xx")
SHARES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p99_9": 0.999}


class ClientMissing(Exception):
    """h2load is not installed; the message names its package."""


@dataclass(frozen=True)
class Answers:
    """The result of h2load: calls with status 2xx, other calls, latencies of both, and its CPU time."""

    calls: int
    refused: int
    seconds: float
    latency_ms: dict[str, float]
    refused_ms: dict[str, float]
    cpu_us: int


def run(load: Load, port: int, calls: int, per_connection_per_second: int = 0) -> Answers:
    """Make a number of calls, at a rate if given, and wait for the answers. Raises ClientMissing."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(load.body())
        scheme = "https" if load.tls else "http"
        arguments = [program(), *options(load, calls, body, log), f"{scheme}://127.0.0.1:{port}{load.path}"]
        if per_connection_per_second:
            arguments.insert(1, f"--rps={per_connection_per_second}")
        before = os.times()
        output = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
        after = os.times()
        # No other child ended in between.
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return read(output, log.read_text(), calls, round(spent * 1e6))


def program() -> str:
    """Return the path of h2load. Raises ClientMissing."""
    found = shutil.which("h2load")
    if found is None:
        raise ClientMissing("h2load is not installed: install the package nghttp2-client")
    return found


def options(load: Load, calls: int, body: Path, log: Path) -> list[str]:
    """Return the options of h2load for a load."""
    in_flight = min(load.connections, calls)
    arguments = ["-n", str(calls), "-c", str(in_flight), "-m", str(load.streams), "-d", str(body), f"--log-file={log}"]
    arguments += [word for header in load.headers for word in ("-H", header)]
    return [*arguments, "--h1"] if load.http1 else arguments


def read(output: str, log: str, calls: int, cpu_us: int) -> Answers:
    """Parse the output and the log of a run."""
    good = GOOD.search(output)
    answered = int(good[1]) if good else 0
    rows = [(int(start), int(status), int(took)) for start, status, took in map(str.split, log.splitlines())]
    took_us = sorted(took for _, status, took in rows if 200 <= status < 300)
    refused_us = sorted(took for _, status, took in rows if status >= 300)
    seconds = (max(start + took for start, _, took in rows) - min(start for start, _, _ in rows)) / 1e6 if rows else 0.0
    return Answers(answered, calls - answered, seconds, percentiles_ms(took_us), percentiles_ms(refused_us), cpu_us)


def percentiles_ms(ordered_us: list[int]) -> dict[str, float]:
    """Return percentiles in milliseconds of sorted microseconds; empty without values."""
    if not ordered_us:
        return {}
    last = len(ordered_us) - 1
    found = {name: ordered_us[int(last * share)] / 1000 for name, share in SHARES.items()}
    return {**found, "max": ordered_us[-1] / 1000}
