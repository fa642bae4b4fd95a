"""Loads the front proxy with ghz, then with our own load generator at the same rate, and prints both results."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "loadgen" / "ghz"
RAW_DATA = re.compile(r"const rawData = (\[.*?\]);")
GHZ_PLACES = (Path.home() / "go" / "bin",)


@dataclass(frozen=True)
class Row:
    """The result of one run; calls_per_second counts successful calls."""

    name: str
    calls: int
    failed: int
    calls_per_second: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """Run the loads and print the table; return 1 when a call failed or an order was lost."""
    options = parse()
    ghz = find_ghz()
    options.folder.mkdir(parents=True, exist_ok=True)
    configs = {name: json.loads((CONFIGS / f"{name}.json").read_text()) for name in ("create", "batch", "reads")}
    rates = {"create": options.rate, "reads": options.rate}
    rates["batch"] = max(1, options.rate // len(configs["batch"]["data"]["requests"]))
    rows = [
        run_ghz(
            ghz, options.target, options.folder / f"{name}.html", name, config["name"], rates[name], options.seconds
        )
        for name, config in configs.items()
    ]
    own, proven = run_own(options.target, options.folder / "loadgen.json", options.rate, options.seconds)
    print_table([*rows, own])
    print(f"\nReports in {options.folder}: create.html, batch.html, reads.html, loadgen.json")
    print(f"Reconciliation of the load generator: {proven}")
    return 0 if proven == "AGREES" and not any(row.failed for row in [*rows, own]) else 1


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="the front proxy: host:port")
    parser.add_argument("--rate", type=int, default=200, help="orders per second (default 200)")
    parser.add_argument("--seconds", type=int, default=10, help="duration of each run (default 10)")
    parser.add_argument(
        "--folder", type=Path, default=Path("ghz-reports"), help="folder of the reports (default ghz-reports)"
    )
    return parser.parse_args()


def find_ghz() -> str:
    """Return the path of ghz; exit with a hint when it is not installed."""
    found = shutil.which("ghz") or shutil.which("ghz", path=os.pathsep.join(map(str, GHZ_PLACES)))
    if found is None:
        sys.exit("ghz is missing: run scripts/install-tools")
    return found


def run_ghz(ghz: str, target: str, report: Path, config: str, name: str, rate: int, seconds: int) -> Row:
    """Run one load and read its report."""
    command = [ghz, "--config", str(CONFIGS / f"{config}.json"), "--rps", str(rate), "--total", str(rate * seconds)]
    subprocess.run([*command, "-O", "html", "-o", str(report), target], check=True)  # noqa: S603 - ghz with our options
    return read_report(report, f"ghz: {name}")


def read_report(report: Path, name: str) -> Row:
    """Return the figures of an HTML report, from the calls listed in it."""
    found = RAW_DATA.search(report.read_text())
    if found is None:
        sys.exit(f"{report} lists no calls: the reports of this version of ghz differ from those of v0.93.0")
    calls = json.loads(found[1])
    latencies = sorted(call["latency"] / 1e6 for call in calls if call["status"] == "OK")
    started = [datetime.fromisoformat(call["timestamp"]).timestamp() for call in calls]
    ended = [start + call["latency"] / 1e9 for start, call in zip(started, calls, strict=True)]
    per_second = len(latencies) / (max(ended) - min(started))
    return Row(
        name,
        len(calls),
        len(calls) - len(latencies),
        per_second,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
    )


def run_own(target: str, output: Path, rate: int, seconds: int) -> tuple[Row, str]:
    """Run our own load generator by gRPC and return its figures and the result of its reconciliation."""
    command = [sys.executable, "-m", "loadgen", "--target", f"http://{target}", "--protocol", "grpc"]
    command += ["--rate", str(rate), "--duration", f"{seconds}s", "--output", str(output)]
    subprocess.run(command, check=False, cwd=ROOT)  # noqa: S603 - our own module
    if not output.is_file():
        sys.exit("the load generator wrote no result; see its messages above")
    result = json.loads(output.read_text())
    latency = result["latency_ms"]["accepted"]
    orders = result["orders"]
    row = Row(
        "ordermesh load: CreateOrder",
        orders["offered"],
        orders["failed"],
        result["accepted_per_second"],
        latency["p50"],
        latency["p99"],
    )
    return row, result["reconciliation"]["verdict"]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the percentile, as a share of 1, of ordered values; NaN without values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def print_table(rows: Sequence[Row]) -> None:
    """Print a line per run."""
    print(f"{'run':<32}{'calls':>8}{'failed':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for row in rows:
        figures = f"{row.calls_per_second:>10.1f}{row.p50_ms:>9.2f}{row.p99_ms:>9.2f}"
        print(f"{row.name:<32}{row.calls:>8}{row.failed:>8}{figures}")


if __name__ == "__main__":
    sys.exit(main())
